import { setTimeout as sleep } from 'node:timers/promises'
import { serviceContext } from '@ashlar/platform/context'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { type HandOver, judge, type Verdict } from '../../domain/delivery.ts'
import type { InFlight } from '../in-flight.ts'
import type { Claim, Content, ContentSeal, Mailer, Repositories } from '../ports.ts'

export type SendDeps = {
  runtime: Runtime
  unitOfWork: UnitOfWork<Repositories>
  /** These two read outside a transaction. */
  notifications: Pick<Repositories['notifications'], 'hasDue'>
  contents: Pick<Repositories['contents'], 'get'>
  seal: ContentSeal
  mailer: Mailer
  inFlight: InFlight
  from: { name: string; address: string }
  leaseSeconds: number
  /** 0 ≤ n < 1, spreads retries. */
  random: () => number
  onSettled: (status: Settled['status'], claim: Claim) => void
}

type Settled = Verdict | { status: 'suppressed'; reason: string }

/** Takes due messages. The claim is committed when this returns: only then may a mailer be called. */
export const claimDue =
  ({ runtime, unitOfWork, notifications, leaseSeconds }: SendDeps) =>
  async (urgent: boolean, limit: number): Promise<Claim[]> => {
    // Most looks find nothing, and every write transaction is one more for the change stream to read.
    if (!(await notifications.hasDue(urgent))) return []
    return runtime.context.run(serviceContext('notifications'), () =>
      unitOfWork((tx) => tx.notifications.claim({ owner: runtime.instanceId, urgent, limit, leaseSeconds })),
    )
  }

/**
 * Hands one claimed message over, once, and records what became of it. A crash before the record leaves the claim,
 * which `settleLostClaims` turns into `unknown`; it is never taken for unsent. A store that is away at the record is
 * waited for, up to `signal`: what is known must not become unknown.
 */
export const sendClaimed =
  (deps: SendDeps) =>
  (claim: Claim, signal: AbortSignal): Promise<void> => {
    const { runtime, unitOfWork } = deps
    const context = serviceContext('notifications', { requestId: claim.requestId, traceparent: claim.traceparent })
    return runtime.context.run(context, async () => {
      await runtime.faults.hit('notifications.send.claimed')
      const settled = await decide(deps, claim)
      await runtime.faults.hit('notifications.send.handed')
      const recorded = await persistently(signal, () =>
        unitOfWork((tx) => tx.notifications.settle(claim.id, runtime.instanceId, settled)),
      )
      const log = runtime.logger('notifications')
      const fields = {
        notificationId: claim.id,
        template: claim.template,
        attempt: claim.attempt,
        status: settled.status,
      }
      if (!recorded) log.warn(fields, 'the outcome of a message came after its claim was settled otherwise')
      else if (settled.status === 'sent') log.info(fields, 'message sent')
      else log.warn({ ...fields, reason: settled.reason }, 'message not sent')
      deps.onSettled(settled.status, claim)
    })
  }

const decide = async (deps: SendDeps, claim: Claim): Promise<Settled> => {
  if (claim.remainingMs <= 0) {
    return claim.attempt === 1
      ? { status: 'suppressed', reason: 'expired' }
      : { status: 'failed', reason: 'retries_exhausted' }
  }
  const sealed = await deps.contents.get(claim.id)
  if (!sealed) return { status: 'failed', reason: 'content_missing' }
  const content = opened(deps, claim, sealed)
  if (!content) return { status: 'failed', reason: 'content_unreadable' }
  return judge(await handOver(deps, claim, content), claim.attempt, claim.remainingMs, deps.random())
}

/** Undefined where the row was changed or the key is another: trying again would never help. */
const opened = ({ seal, runtime }: SendDeps, claim: Claim, sealed: Buffer): Content | undefined => {
  try {
    return seal.open(claim.id, sealed)
  } catch {
    runtime.logger('notifications').error({ notificationId: claim.id }, 'the content of a message does not open')
    return undefined
  }
}

const handOver = async (
  { runtime, mailer, inFlight, from }: SendDeps,
  claim: Claim,
  { to, subject, html, text }: Content,
): Promise<HandOver> => {
  inFlight.handing(claim.id)
  try {
    return await mailer.send({
      notificationId: claim.id,
      template: claim.template,
      messageId: claim.messageId,
      from,
      to,
      subject,
      html,
      text,
      // Nobody's out-of-office note should answer a machine (RFC 3834, section 5).
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Ashlar-Notification': claim.id },
      date: claim.createdAt,
    })
  } catch (error) {
    // Its message may quote the mail; name and code do not.
    const { name, code } = error as { name?: string; code?: string }
    runtime.logger('notifications').error({ notificationId: claim.id, name, code }, 'the mailer threw')
    return { outcome: 'unknown', code: 'mailer_error' }
  }
}

const persistently = async <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
  for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 2_000)) {
    try {
      return await work()
    } catch (error) {
      if (signal.aborted || !(error instanceof Error) || error.name !== 'DependencyUnavailable') throw error
      await sleep(delayMs, undefined, { signal }).catch(() => undefined)
    }
  }
}
