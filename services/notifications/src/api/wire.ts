import type { SuppressedView } from '../application/commands/suppress-address.ts'
import type { StoredTemplate } from '../application/ports.ts'
import type { Statistics } from '../application/queries/count-notifications.ts'
import type { Message } from '../application/queries/view.ts'
import type { NotificationOnTheWire, SuppressionOnTheWire, TemplateOnTheWire } from '../contract.ts'
import { neededFromCaller } from '../domain/template.ts'
import type { TimelineStep } from '../domain/timeline.ts'

export const notificationToWire = (message: Message): NotificationOnTheWire => ({
  id: message.id,
  template: message.template,
  templateVersion: message.templateVersion,
  channel: 'email',
  userId: message.userId,
  to: message.to,
  status: message.status,
  reason: message.reason,
  attempts: message.attempts,
  createdAt: message.createdAt.toISOString(),
  nextAttemptAt: message.status === 'queued' ? message.nextAttemptAt.toISOString() : null,
  settledAt: message.settledAt?.toISOString() ?? null,
})

export const stepToWire = ({ at, ...step }: TimelineStep) => ({ at: at.toISOString(), ...step })

export const templateToWire = (template: StoredTemplate): TemplateOnTheWire => ({
  name: template.name,
  version: template.version,
  origin: template.origin,
  subject: template.subject,
  html: template.html,
  text: template.text,
  variables: { ...neededFromCaller(template.variables) },
  createdAt: template.createdAt.toISOString(),
})

export const suppressionToWire = ({ createdAt, ...suppression }: SuppressedView): SuppressionOnTheWire => ({
  ...suppression,
  createdAt: createdAt.toISOString(),
})

const NONE = { queued: 0, sending: 0, sent: 0, failed: 0, suppressed: 0, unknown: 0 }

export const statisticsToWire = ({ from, to, byStatus, byTemplate, byDay, ...rest }: Statistics) => ({
  ...rest,
  from: from.toISOString(),
  to: to.toISOString(),
  byStatus: { ...NONE, ...byStatus },
  byTemplate: byTemplate.map((group) => ({ ...group, byStatus: { ...NONE, ...group.byStatus } })),
  byDay: byDay.map((group) => ({ ...group, byStatus: { ...NONE, ...group.byStatus } })),
})

export const dateOf = (time: string | undefined): Date | undefined => (time === undefined ? undefined : new Date(time))
