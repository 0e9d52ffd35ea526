import type { NewId } from '@ashlar/kernel'
import type { Broadcast } from '@ashlar/platform/broadcast'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import { REVOCATIONS_CHANNEL, type Revocation } from '@ashlar/platform/tokens'
import type { Kysely } from 'kysely'
import type { AuthTx, Work } from '../../application/ports.ts'
import { createProofs } from './proofs.ts'
import { createRefreshTokens } from './refresh-tokens.ts'
import { createRevocationLog, type RevocationLog } from './revocations.ts'
import { createSessions } from './sessions.ts'
import type { AuthTables } from './tables.ts'
import { createUsers } from './users.ts'

type AuthRepositories = Omit<AuthTx, 'outbox'> & { revocations: RevocationLog }

export const createRepositories =
  ({ newId, tokenSeconds }: { newId: NewId; tokenSeconds: number }) =>
  (db: Kysely<AuthTables>): AuthRepositories => {
    const revocations = createRevocationLog(db, tokenSeconds)
    return {
      users: createUsers(db),
      ...createProofs(db, newId),
      sessions: createSessions(db, revocations),
      refreshTokens: createRefreshTokens(db),
      revocations,
    }
  }

/**
 * A unit of work whose revocations are in force in this process before it resolves, so no use case can forget to
 * announce them. Lost between commit and announcement, they are found by the next pull of each process.
 */
export const announcing =
  (unitOfWork: UnitOfWork<AuthTx & { revocations: RevocationLog }>, broadcast: Broadcast): Work =>
  async (work) => {
    let revoked: readonly Revocation[] = []
    const value = await unitOfWork(async (tx) => {
      const outcome = await work(tx)
      revoked = tx.revocations.written()
      return outcome
    })
    if (revoked.length > 0) await broadcast.publish(REVOCATIONS_CHANNEL, revoked)
    return value
  }
