import type { Clock } from '@ashlar/kernel'
import type { UserId } from '../../domain/account.ts'
import type { AccountReads, SessionPosition, SessionView } from '../ports.ts'

type Deps = { accounts: Pick<AccountReads, 'sessions'>; clock: Clock }
export type SessionPage = { sessions: SessionView[]; next: SessionPosition | undefined }

/** The running sessions of one user, newest first. `next` is where the following page begins, if there is one. */
export const listSessions =
  ({ accounts, clock }: Deps) =>
  async (input: { userId: UserId; limit: number; after?: SessionPosition }): Promise<SessionPage> => {
    const { userId, limit, after } = input
    // One more than asked for tells whether a page follows.
    const found = await accounts.sessions(userId, clock.now(), { limit: limit + 1, after })
    const sessions = found.slice(0, limit)
    const last = sessions.at(-1)
    return { sessions, next: found.length > limit && last ? { createdAt: last.createdAt, id: last.id } : undefined }
  }
