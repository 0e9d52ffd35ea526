import { randomBytes } from 'node:crypto'
import { type Keyring, openWith, sealWith } from '@ashlar/platform/keys'
import { commitmentsOf, type Opening, type Openings } from '../domain/commitment.ts'
import type { Entry } from '../domain/entry.ts'
import type { AuditStore, SealedFields } from './ports.ts'

const PURPOSE = 'audit-person-key'
const CACHED_PERSONS = 5000

const wrapBound = (person: string) => ({ table: 'person_keys', column: 'wrapped', row: person })
const sealBound = (entryId: string, person: string) => ({
  table: 'sealed_fields',
  column: 'sealed',
  row: `${entryId}/${person}`,
})

export type PersonKeys = {
  /** Seals each opening under its person's key, made where there is none. Those of erased persons are let go. */
  seal(openings: readonly (Openings & { entryId: string })[]): Promise<SealedFields[]>
  /** For each entry that has commitments, what proves them. */
  open(entries: readonly Entry[]): Promise<Map<string, OpenedFields>>
}

/** Openings by place, and those persons of the entry whose key was destroyed. */
export type OpenedFields = { fields: Record<string, Opening>; erased: ReadonlySet<string> }

/**
 * One key per person, wrapped by the master key: destroying the row makes every personal value of that person in the
 * trail unreadable at once, and no hash changes. Keys in use are remembered for the writer only; what is shown or
 * verified asks the store each time, so an erasure counts at once.
 */
export const createPersonKeys = ({ store, keys }: { store: AuditStore; keys: Keyring }): PersonKeys => {
  const cache = new Map<string, Buffer>()

  const unwrap = (person: string, wrapped: Buffer) => keys.open(PURPOSE, wrapped, wrapBound(person))

  /** Null for the erased. */
  const keysOf = async (persons: readonly string[]): Promise<Map<string, Buffer | null>> => {
    const found = new Map<string, Buffer | null>()
    for (const { person, wrapped } of await store.personKeys(persons)) {
      found.set(person, wrapped && unwrap(person, wrapped))
    }
    return found
  }

  const keysToSeal = async (persons: readonly string[]): Promise<Map<string, Buffer | null>> => {
    const missing = persons.filter((person) => !cache.has(person))
    const found = missing.length > 0 ? await keysOf(missing) : new Map<string, Buffer | null>()
    const fresh = missing.filter((person) => !found.has(person))
    if (fresh.length > 0) {
      await store.addPersonKeys(
        fresh.map((person) => ({ person, wrapped: keys.seal(PURPOSE, randomBytes(32), wrapBound(person)) })),
      )
      // Read back: another writer may have been first, and its key is the one that counts.
      for (const [person, key] of await keysOf(fresh)) found.set(person, key)
    }
    if (cache.size > CACHED_PERSONS) cache.clear()
    for (const [person, key] of found) if (key) cache.set(person, key)
    return new Map(persons.map((person) => [person, cache.get(person) ?? found.get(person) ?? null]))
  }

  return {
    async seal(openings) {
      if (openings.length === 0) return []
      const known = await keysToSeal([...new Set(openings.map(({ person }) => person))])
      return openings.flatMap(({ entryId, person, fields }) => {
        const key = known.get(person)
        return key
          ? [{ entryId, person, sealed: sealWith(key, JSON.stringify(fields), sealBound(entryId, person)) }]
          : []
      })
    },

    async open(entries) {
      const persons = new Map(
        entries.flatMap((entry) => {
          const own = [...commitmentsOf(entry).values()].map(({ person }) => person)
          return own.length > 0 ? [[entry.id, new Set(own)] as const] : []
        }),
      )
      const opened = new Map<string, OpenedFields>()
      if (persons.size === 0) return opened
      const known = await keysOf([...new Set([...persons.values()].flatMap((own) => [...own]))])
      for (const [id, own] of persons) {
        opened.set(id, { fields: {}, erased: new Set([...own].filter((person) => known.get(person) === null)) })
      }
      for (const { entryId, person, sealed } of await store.sealed([...persons.keys()])) {
        const key = known.get(person)
        if (key) Object.assign(opened.get(entryId)?.fields ?? {}, unseal(key, entryId, person, sealed))
      }
      return opened
    },
  }
}

/** What cannot be opened is as if it were not there. */
const unseal = (key: Buffer, entryId: string, person: string, sealed: Buffer): Record<string, Opening> => {
  try {
    return JSON.parse(openWith(key, sealed, sealBound(entryId, person)).toString('utf8'))
  } catch {
    return {}
  }
}
