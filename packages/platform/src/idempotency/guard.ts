import { ok, type Result } from '@ashlar/kernel'
import { answer, finalResponse } from '../http/answer.ts'
import type { HttpResponse, Refusal } from '../http/types.ts'
import type { Logger } from '../telemetry/index.ts'
import { KeyBusy } from './keys.ts'
import type { Idempotency, IdempotencyRefusal, KeyUse, Lease, Reservation, StoredResponse } from './types.ts'

type Rendered = StoredResponse & { code?: string }

type Options = {
  use: KeyUse
  mode: 'transaction' | 'lease'
  /** Makes the final bytes of an outcome, exactly as they would be sent. Throws where the answer breaks its contract. */
  render: (result: Result<HttpResponse, Refusal>) => Rendered
  lease: Lease
  /** How long to wait for a transaction that holds the same key. */
  waitMs: number
  logger: Logger
}

const BUSY: IdempotencyRefusal = { code: 'request_in_progress' }
const REUSED: IdempotencyRefusal = { code: 'idempotency_key_reused' }

/**
 * The promise of an idempotency key: one effect, and the same answer to every repeat. What is kept and what never is:
 * `isKept`. A repeat gets the bytes of the first answer, its request id included.
 */
export const createIdempotency = ({ use, mode, render, lease, waitMs, logger }: Options): Idempotency => {
  const expect = (wanted: Options['mode']): void => {
    if (mode !== wanted) throw new Error(`The route asks for idempotency by ${mode}, its handler for ${wanted}.`)
  }

  return {
    key: use.key,

    inTransaction: async (unitOfWork, run, respond) => {
      expect('transaction')
      try {
        return await unitOfWork(async (tx) => {
          const reservation = await tx.idempotency.reserve(use, waitMs)
          if (reservation.state !== 'reserved') return outcomeOf(reservation)

          let used = false
          const result = await run((work) => {
            if (used)
              throw new Error('An idempotent write has one transaction; its use case opened a second unit of work.')
            used = true
            return work(tx)
          })
          const outcome = answer(result, respond)
          const rendered = render(outcome)
          if (!isKept(rendered, mode)) {
            await tx.idempotency.release(use)
            return outcome
          }
          if (!(await tx.idempotency.complete(use, rendered))) throw new Error('The reserved idempotency key is gone.')
          return ok(finalResponse(rendered.status, rendered.headers, rendered.body))
        })
      } catch (error) {
        if (error instanceof KeyBusy) return { ok: false, error: BUSY }
        throw error
      }
    },

    leased: async (unitOfWork, run, respond) => {
      expect('lease')
      let reservation: Reservation
      try {
        reservation = await unitOfWork((tx) => tx.idempotency.acquire(use, lease, waitMs))
      } catch (error) {
        if (error instanceof KeyBusy) return { ok: false, error: BUSY }
        throw error
      }
      if (reservation.state !== 'reserved') return outcomeOf(reservation)

      const giveBack = (): Promise<void> => unitOfWork((tx) => tx.idempotency.release(use, lease.owner))
      const attempt = async () => {
        const result = await run(use.key)
        const outcome = answer(result, respond)
        return { outcome, rendered: render(outcome) }
      }
      const { outcome, rendered } = await attempt().catch(async (error: unknown) => {
        // The work is over, whatever came of it: a repeat may look at once instead of waiting for the lease to end.
        await giveBack().catch((failure: unknown) =>
          logger.warn({ err: failure }, 'an idempotency lease was left to expire'),
        )
        throw error
      })
      if (!isKept(rendered, mode)) {
        await giveBack()
        return outcome
      }
      // When another owner has taken the lease over, it stores its own answer; ours is still true for our caller.
      await unitOfWork((tx) => tx.idempotency.complete(use, rendered, lease.owner))
      return ok(finalResponse(rendered.status, rendered.headers, rendered.body))
    },
  }
}

const outcomeOf = (
  reservation: Exclude<Reservation, { state: 'reserved' }>,
): Result<HttpResponse, IdempotencyRefusal> => {
  switch (reservation.state) {
    case 'stored': {
      const { status, headers, body } = reservation.response
      return ok(finalResponse(status, { ...headers, 'idempotent-replayed': 'true' }, body))
    }
    case 'running':
      return { ok: false, error: BUSY }
    case 'reused':
      return { ok: false, error: REUSED }
  }
}

/**
 * Kept: what succeeded, but not the 202 of a leased write, which says only that it is not settled; and what the use
 * case decided against (409, 422). Never kept: 400, 401, 403, 404, 412, 429, 5xx and "in progress", which may all be
 * otherwise at the next try.
 */
export const isKept = ({ status, code }: { status: number; code?: string }, mode: Options['mode']): boolean => {
  if (status >= 200 && status < 300) return !(mode === 'lease' && status === 202)
  return (status === 409 && code !== 'request_in_progress') || (status === 422 && code !== 'idempotency_key_reused')
}
