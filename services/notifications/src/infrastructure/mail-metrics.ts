import type { Metrics } from '@ashlar/platform/telemetry'
import type { Status } from '../domain/delivery.ts'
import { builtIn } from '../domain/templates/built-in.ts'

export type MailMetrics = {
  count(template: string, status: Status): void
  ages(ages: { urgent: number; normal: number }): void
}

/** Names of somebody's own templates are counted together: anybody may make more of them, and labels must stay few. */
export const createMailMetrics = (metrics: Metrics): MailMetrics => {
  const mails = metrics.counter('mails_total', 'Messages by template and what became of a try', ['template', 'status'])
  const age = metrics.gauge('mails_queue_age_seconds', 'How long the oldest due message has been due', ['queue'])
  return {
    count: (template, status) => mails.inc({ template: builtIn(template) ? template : '(own)', status }),
    ages: ({ urgent, normal }) => {
      age.set({ queue: 'urgent' }, urgent)
      age.set({ queue: 'normal' }, normal)
    },
  }
}
