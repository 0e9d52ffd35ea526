import { type Kysely, sql } from 'kysely'
import { nameOfKind, OWN_KIND, type ReadHash, readPasswordHash } from '../domain/password-hash.ts'
import type { AuthTables } from './postgres/tables.ts'

/** The kinds of hashes that are stored, ours always among them: a wrong password is checked against one of each. */
export type HashKinds = {
  /** One hash of each kind, by the name of the kind; nobody knows the password of any. */
  decoys(): ReadonlyMap<string, string>
  /** A hash of this kind was met. */
  learn(hash: ReadHash): void
  /** Reads them again; another process may have imported some. */
  reload(): Promise<void>
}

/** Random bits in the place of salt and digest: what it costs to check is said in front of them. */
const decoyOf = (prefix: string): string => {
  const random = (bytes: number): string =>
    Buffer.from(crypto.getRandomValues(new Uint8Array(bytes)))
      .toString('base64')
      .replace(/=+$/, '')
  // bcrypt has a dot where base64 has a plus; `u` has no bits to spare where the last character must not have any.
  return prefix.startsWith('$2')
    ? `${prefix}${random(16).replaceAll('+', '.').slice(0, 21)}u${random(24).replaceAll('+', '.').slice(0, 30)}u`
    : `${prefix}${random(16)}$${random(32)}`
}

const OWN_PREFIX = `$argon2id$v=19$m=${OWN_KIND.memoryKib},t=${OWN_KIND.passes},p=${OWN_KIND.lanes}$`

export const createHashKinds = (db: Kysely<AuthTables>): HashKinds => {
  let decoys = new Map([[nameOfKind(OWN_KIND), decoyOf(OWN_PREFIX)]])

  const learn = ({ kind, prefix }: ReadHash): void => {
    const name = nameOfKind(kind)
    if (!decoys.has(name)) decoys.set(name, decoyOf(prefix))
  }
  return {
    decoys: () => decoys,
    learn,
    reload: async () => {
      const rows = await db.selectFrom('password_hash_kinds').select('prefix').execute()
      const known = decoys
      decoys = new Map([...known].slice(0, 1))
      for (const { prefix } of rows) {
        const read = readPasswordHash(decoyOf(prefix))
        if (read.ok) decoys.set(nameOfKind(read.value.kind), known.get(nameOfKind(read.value.kind)) ?? decoyOf(prefix))
      }
    },
  }
}

/**
 * Forgets the kinds of which no hash is stored any more. A kind that was added within the hour stays: the import
 * that added it may not have committed its hashes yet.
 */
export const forgetUnusedKinds = (now: Date) => {
  const stored = (table: 'credentials' | 'registrations') => sql`EXISTS (
    SELECT FROM ${sql.table(table)} WHERE password_hash NOT LIKE ${sql.lit(`${OWN_PREFIX}%`)}
      AND password_hash COLLATE "C" >= k.prefix AND password_hash COLLATE "C" < k.prefix || chr(127))`
  return sql`DELETE FROM password_hash_kinds k
    WHERE added_at <= ${new Date(now.getTime() - 3_600_000)}
      AND NOT ${stored('credentials')} AND NOT ${stored('registrations')}`
}
