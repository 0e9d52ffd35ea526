import type { NewId } from '@ashlar/kernel'
import type { Broadcast } from '@ashlar/platform/broadcast'
import type { ExecutionContext } from '@ashlar/platform/context'
import type { Statements, UnitOfWork } from '@ashlar/platform/postgres'
import type { Names } from '@ashlar/platform/runtime'
import { REVOCATIONS_CHANNEL, type Revocation } from '@ashlar/platform/tokens'
import type { Kysely } from 'kysely'
import type { AuthTx, Work } from '../../application/ports.ts'
import { createAddressMail } from './address-mail.ts'
import { createProofs } from './proofs.ts'
import { createRefreshTokens } from './refresh-tokens.ts'
import { createRevocationLog, type RevocationLog } from './revocations.ts'
import { createRoles } from './roles.ts'
import { createSessions } from './sessions.ts'
import { createSigningKeyRows } from './signing-keys.ts'
import type { AuthTables } from './tables.ts'
import { createUsers } from './users.ts'

type AuthRepositories = Omit<AuthTx, 'outbox'> & { revocations: RevocationLog }

type RepositoryOptions = {
  newId: NewId
  names: Names
  tokenSeconds: number
  /** In which what was asked is worked on later. */
  currentContext: () => ExecutionContext
}

export const createRepositories =
  ({ newId, names, tokenSeconds, currentContext }: RepositoryOptions) =>
  (db: Kysely<AuthTables>, statements: Statements): AuthRepositories => {
    const revocations = createRevocationLog(db, tokenSeconds)
    return {
      users: createUsers(db, statements),
      roles: createRoles(db, revocations),
      ...createProofs(db, newId),
      ...createAddressMail(db, statements, { newId, currentContext }),
      sessions: createSessions(db, statements, revocations),
      refreshTokens: createRefreshTokens(db, statements),
      signingKeys: createSigningKeyRows(db, names),
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
