import { setTimeout as sleep } from 'node:timers/promises'
import { serviceContext } from '@ashlar/platform/context'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { judge, obstacleTo, type Verdict } from '../../domain/delivery.ts'
import type { RenderedMail } from '../../domain/template.ts'
import type { InFlight } from '../in-flight.ts'
import type { Claim, Content, ContentSeal, Mailer, Rate, Renderer, Repositories } from '../ports.ts'

export type SendDeps = {
  runtime: Runtime
  unitOfWork: UnitOfWork<Repositories>
  /** Reads outside a transaction. */
  notifications: Pick<Repositories['notifications'], 'hasDue'>
  seal: ContentSeal
  renderer: Renderer
  mailer: Mailer
  inFlight: InFlight
  from: { name: string; address: string }
  leaseSeconds: number
  rate: Rate
  /** 0 ≤ n < 1, spreads retries. */
  random: () => number
  onSettled: (status: Verdict['status'], claim: Claim) => void
}

/**
 * Takes due messages. The claim is committed when this returns: only then may a mailer be called. `sure`: something was
 * just queued, so there is no need to look first.
 */
export const claimDue =
  ({ runtime, unitOfWork, notifications, leaseSeconds, rate }: SendDeps) =>
  async (urgent: boolean, limit: number, sure: boolean): Promise<Claim[]> => {
    // Most looks find nothing, and every write transaction is one more for the change stream to read.
    if (!sure && !(await notifications.hasDue(urgent))) return []
    return runtime.context.run(serviceContext('notifications'), () =>
      unitOfWork(async (tx) => {
        const taken = await tx.notifications.claim({ owner: runtime.instanceId, urgent, limit, leaseSeconds, rate })
        if (taken.putOff.length > 0) await tx.notifications.postpone(taken.putOff, rate)
        return taken.claims
      }),
    )
  }

/**
 * Renders a claimed message, hands it over, once, and records what became of it. A crash before the record leaves the
 * claim, which `settleLostClaims` turns into `unknown`; it is never taken for unsent. A store that is away at the record
 * is waited for, up to `signal`: what is known must not become unknown.
 */
export const sendClaimed =
  (deps: SendDeps) =>
  (claim: Claim, signal: AbortSignal): Promise<void> => {
    const { runtime, unitOfWork } = deps
    const context = serviceContext('notifications', { requestId: claim.requestId, traceparent: claim.traceparent })
    return runtime.context.run(context, async () => {
      await runtime.faults.hit('notifications.send.claimed')
      const { verdict, handedAtMs } = await decide(deps, claim)
      await runtime.faults.hit('notifications.send.handed')
      const recorded = await persistently(signal, () =>
        unitOfWork(async (tx) => {
          const handedMsAgo = handedAtMs === null ? null : performance.now() - handedAtMs
          const settled = await tx.notifications.settle(claim.id, runtime.instanceId, verdict, handedMsAgo)
          if (verdict.status === 'failed' && verdict.addressGone) await bounced(deps, tx, claim, verdict.reason)
          return settled
        }),
      )
      const log = runtime.logger('notifications')
      const { id, template, attempt } = claim
      const fields = { notificationId: id, template, attempt, status: verdict.status }
      if (!recorded) log.warn(fields, 'the outcome of a message came after its claim was settled otherwise')
      else if (verdict.status === 'sent') log.info(fields, 'message sent')
      else log.warn({ ...fields, reason: verdict.reason }, 'message not sent')
      deps.onSettled(verdict.status, claim)
    })
  }

type Decided = { verdict: Verdict; handedAtMs: number | null }

const decide = async (deps: SendDeps, claim: Claim): Promise<Decided> => {
  const unhanded = (verdict: Verdict): Decided => ({ verdict, handedAtMs: null })
  const obstacle = obstacleTo(claim)
  if (obstacle) return unhanded(obstacle)
  if (!claim.content) return unhanded({ status: 'failed', reason: 'content_missing' })
  const content = opened(deps, claim)
  if (!content) return unhanded({ status: 'failed', reason: 'content_unreadable' })
  const mail = await rendered(deps, claim, content)
  if (!mail) return unhanded({ status: 'failed', reason: 'template_failed' })
  return handOver(deps, claim, content.to, mail)
}

/** Undefined where the row was changed or the key is another: trying again would never help. */
const opened = ({ seal, runtime }: SendDeps, { id, content }: Claim): Content | undefined => {
  try {
    return content && seal.open(id, content)
  } catch {
    runtime.logger('notifications').error({ notificationId: id }, 'the content of a message does not open')
    return undefined
  }
}

/** Undefined where the template does not work with these variables. A store that is away throws, and the claim is taken up again. */
const rendered = async (deps: SendDeps, claim: Claim, content: Content): Promise<RenderedMail | undefined> => {
  if (!('variables' in content)) return content
  try {
    return await deps.renderer.render(claim.template, claim.templateVersion, content.variables)
  } catch (error) {
    if (isUnavailable(error)) throw error
    const { id, template, templateVersion } = claim
    deps.runtime
      .logger('notifications')
      .error({ err: error, notificationId: id, template, version: templateVersion }, 'a template could not be rendered')
    return undefined
  }
}

const handOver = async (deps: SendDeps, claim: Claim, to: string, mail: RenderedMail): Promise<Decided> => {
  const { runtime, mailer, inFlight, from } = deps
  inFlight.handing(claim.id)
  const handedAtMs = performance.now()
  try {
    const outcome = await mailer.send({
      notificationId: claim.id,
      template: claim.template,
      messageId: claim.messageId,
      from,
      to,
      subject: mail.subject,
      html: mail.html,
      text: mail.text,
      // Nobody's out-of-office note should answer a machine (RFC 3834, section 5).
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Ashlar-Notification': claim.id },
      date: claim.createdAt,
    })
    return { verdict: judge(outcome, claim.attempt, claim.remainingMs, deps.random()), handedAtMs }
  } catch (error) {
    // Its message may quote the mail; name and code do not.
    const { name, code } = error as { name?: string; code?: string }
    runtime.logger('notifications').error({ notificationId: claim.id, name, code }, 'the mailer threw')
    return { verdict: { status: 'unknown', reason: 'mailer_error' }, handedAtMs }
  }
}

/** A mail server that says the address is of no use is not asked again: whoever keeps asking loses its trust for all. */
const bounced = async (deps: SendDeps, tx: Repositories, claim: Claim, reason: string): Promise<void> => {
  const { addressHash } = claim
  const content = opened(deps, claim)
  if (addressHash === null || !content) return
  const id = deps.runtime.newId()
  const sealed = deps.seal.sealSuppression(id, { address: content.to, reason })
  await tx.suppressions.put({ id, addressHash, sealed, source: 'bounce' })
  await tx.notifications.suppressQueued({ addressHash }, 'address_suppressed')
}

const isUnavailable = (error: unknown): boolean => error instanceof Error && error.name === 'DependencyUnavailable'

const persistently = async <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
  for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 2_000)) {
    try {
      return await work()
    } catch (error) {
      if (signal.aborted || !isUnavailable(error)) throw error
      await sleep(delayMs, undefined, { signal }).catch(() => undefined)
    }
  }
}
