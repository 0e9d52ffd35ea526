import { serviceContext } from '@ashlar/platform/context'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import type { InFlight } from '../in-flight.ts'
import type { Mailer, NotificationRepository, OpenMessage, Repositories } from '../ports.ts'

export type SettleDeps = {
  runtime: Runtime
  unitOfWork: UnitOfWork<Repositories>
  notifications: Pick<NotificationRepository, 'sending' | 'unknown'>
  mailer: Mailer
  inFlight: InFlight
  /** Whether the process of that instance id still runs. */
  ownerAlive: (instanceId: string) => boolean
  /** How long an unknown one must have been so, for a hand-over that is still on its way to arrive. */
  quietMs: number
}

export type SettleReport = { lost: number; sent: number; queued: number }

const BATCH = 200

/**
 * Turns the claims of processes that are gone into `unknown`, and queues those of this process again that certainly
 * never reached a mailer; then, where the mailer can be asked, finds out what
 * became of the unknown ones: taken → sent, never taken → queued again. Where it cannot be asked they stay unknown.
 */
export const settleLostClaims = (deps: SettleDeps) => (): Promise<SettleReport> =>
  deps.runtime.context.run(serviceContext('notifications'), async () => {
    const { unitOfWork, notifications, mailer } = deps
    const report: SettleReport = { lost: 0, sent: 0, queued: 0 }

    for (const claim of await notifications.sending()) {
      const status = lostAs(deps, claim)
      if (!status || !(await unitOfWork((tx) => tx.notifications.giveUp(claim, status)))) continue
      deps.inFlight.forget(claim.id)
      report[status === 'unknown' ? 'lost' : 'queued'] += 1
    }
    if (!mailer.find) return report

    for (const message of await notifications.unknown({ quietMs: deps.quietMs, limit: BATCH })) {
      const status = (await mailer.find(message.messageId)) ? 'sent' : 'queued'
      if (await unitOfWork((tx) => tx.notifications.resolve(message, status))) report[status] += 1
    }
    return report
  })

/** What a claim has to become, or undefined while somebody may still settle it. */
const lostAs = (
  { runtime, inFlight, ownerAlive }: SettleDeps,
  { id, claimedBy, overdue }: OpenMessage,
): 'unknown' | 'queued' | undefined => {
  if (claimedBy === runtime.instanceId) {
    const knowledge = inFlight.knows(id)
    return knowledge === 'held' ? undefined : knowledge === 'handed' ? 'unknown' : 'queued'
  }
  return claimedBy === null || overdue || !ownerAlive(claimedBy) ? 'unknown' : undefined
}
