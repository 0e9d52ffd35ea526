import type { Clock, NewId } from '@ashlar/kernel'
import { importedUser } from '../../contract/imports.ts'
import { userRegistered, userUpdated } from '../../contract.ts'
import type { UserId } from '../../domain/account.ts'
import { type EmailAddress, parseEmail } from '../../domain/email.ts'
import { readPasswordHash } from '../../domain/password-hash.ts'
import { claimAddress } from '../claim-address.ts'
import { personOf } from '../events.ts'
import type { AuthTx, Claim, Lifetimes, OneTimeTokens, Work } from '../ports.ts'

type Deps = {
  unitOfWork: Work
  tokens: OneTimeTokens
  /** Kinds of hashes may have come that were not here before. */
  reloadHashKinds: () => Promise<void>
  lifetimes: Pick<Lifetimes, 'verificationMs'>
  clock: Clock
  newId: NewId
}

export type ImportRefusal =
  | 'row_malformed'
  | 'email_malformed'
  | 'hash_malformed'
  | 'hash_too_costly'
  | 'hash_kinds_exceeded'
  | 'duplicate'

/** `unchanged`: addresses that had an account already, so that the same file may be imported again. */
export type Imported = { imported: number; unchanged: number; refused: { line: number; reason: ImportRefusal }[] }

type Row = { line: number; email: EmailAddress; claim: Claim; prefix: string; isVerified: boolean }

/** Rows of one transaction: few enough that nobody waits long for a lock, enough that the disk is not all there is. */
const BATCH = 100

/**
 * Makes accounts with passwords that another system has hashed. Rows are objects or lines of NDJSON; an empty
 * line, or undefined, counts but says nothing. Nobody gets a mail. A verified row takes an address from those who only claimed it; an
 * unverified one waits for its owner to ask for a link. Accounts that exist stay as they are.
 */
export const importUsers =
  (deps: Deps) =>
  async (rows: AsyncIterable<unknown>): Promise<Imported> => {
    const outcome: Imported = { imported: 0, unchanged: 0, refused: [] }
    const seen = new Set<EmailAddress>()
    let batch: Row[] = []
    let line = 0
    const store = async (): Promise<void> => {
      const done = await storeBatch(deps, batch)
      outcome.imported += done.imported
      outcome.unchanged += done.unchanged
      outcome.refused.push(...done.refused)
      batch = []
    }
    for await (const given of rows) {
      line++
      if (given === undefined || given === '') continue
      const row = readRow(given, line)
      if (typeof row === 'string') outcome.refused.push({ line, reason: row })
      else if (seen.has(row.email)) outcome.refused.push({ line, reason: 'duplicate' })
      else batch.push(row)
      if (typeof row !== 'string') seen.add(row.email)
      if (batch.length === BATCH) await store()
    }
    await store()
    await deps.reloadHashKinds()
    outcome.refused.sort((a, b) => a.line - b.line)
    return outcome
  }

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const readRow = (given: unknown, line: number): Row | ImportRefusal => {
  const row = importedUser.safeParse(typeof given === 'string' ? parsed(given) : given)
  if (!row.success) return 'row_malformed'
  const { passwordHash, firstName = null, lastName = null, emailVerified: isVerified } = row.data
  const email = parseEmail(row.data.email)
  if (!email.ok) return email.error
  const hash = readPasswordHash(passwordHash)
  if (!hash.ok) return hash.error
  return {
    line,
    email: email.value,
    claim: { passwordHash, firstName, lastName },
    prefix: hash.value.prefix,
    isVerified,
  }
}

const storeBatch = ({ unitOfWork, ...deps }: Deps, batch: readonly Row[]): Promise<Imported> =>
  unitOfWork(async (tx) => {
    const outcome: Imported = { imported: 0, unchanged: 0, refused: [] }
    const accepted = new Map<string, boolean>()
    // In one order, so that two imports of the same people wait for each other instead of crossing.
    for (const row of [...batch].sort((a, b) => (a.email < b.email ? -1 : 1))) {
      const { prefix, line } = row
      const isAccepted = accepted.get(prefix) ?? (await tx.credentials.addKind(prefix, deps.clock.now()))
      accepted.set(prefix, isAccepted)
      if (!isAccepted) outcome.refused.push({ line, reason: 'hash_kinds_exceeded' })
      else if (await storeRow(deps, tx, row)) outcome.imported++
      else outcome.unchanged++
    }
    return outcome
  })

/** False where the address has an account that stays. */
const storeRow = async (
  { tokens, lifetimes, clock, newId }: Omit<Deps, 'unitOfWork'>,
  tx: AuthTx,
  { email, claim, isVerified }: Row,
): Promise<boolean> => {
  const now = clock.now()
  const { passwordHash, ...names } = claim
  const { user, isNew } = await claimAddress(tx, { id: newId() as UserId, email, ...names, createdAt: now })
  if (!isNew && (!isVerified || user.emailVerifiedAt !== null)) return false

  if (!isVerified) {
    // A link that nobody has: it holds the password until its owner asks for one of his own.
    const expiresAt = new Date(now.getTime() + lifetimes.verificationMs)
    await tx.registrations.add({ ...claim, userId: user.id, linkHash: tokens.make().hash, createdAt: now, expiresAt })
    await tx.outbox.append(userRegistered.of({ subject: user.id, sequence: user.version, data: personOf(user, now) }))
    return true
  }
  const verified = { ...user, ...names, emailVerifiedAt: now, updatedAt: now, version: user.version + 1 }
  await tx.users.update(verified)
  await tx.registrations.drop(user.id)
  await tx.credentials.set(user.id, passwordHash, now)
  const about = { subject: user.id, sequence: verified.version }
  const person = personOf(verified, now)
  if (isNew) {
    await tx.outbox.append(userRegistered.of({ ...about, data: person }))
  } else {
    const { roles } = await tx.users.rights(user.id)
    await tx.outbox.append(userUpdated.of({ ...about, data: { ...person, roles } }))
  }
  return true
}
