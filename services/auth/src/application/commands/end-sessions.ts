import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import type { EndReason, SessionId, UserId } from '../../domain/account.ts'
import { sessionsRevoked } from '../events.ts'
import type { Work } from '../ports.ts'

type Deps = { unitOfWork: Work; clock: Clock }
type Which = { userId: UserId; id?: SessionId; reason: EndReason }

/**
 * Ends one of the user's sessions, or all of them without `id`. When this resolves, no access token of theirs
 * passes in this process any more. Refuses with `not_found` where none of them was running.
 */
export const endSessions =
  ({ unitOfWork, clock }: Deps) =>
  ({ reason, ...which }: Which): Promise<Result<void, 'not_found'>> =>
    unitOfWork(async (tx) => {
      const now = clock.now()
      const ended = await tx.sessions.end(which, reason, now)
      await tx.outbox.append(...sessionsRevoked(ended, reason, now))
      return ended.length === 0 ? err('not_found') : ok(undefined)
    })
