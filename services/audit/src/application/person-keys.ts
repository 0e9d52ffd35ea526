import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { type Keyring, openWith, sealWith } from '@ashlar/platform/keys'
import { commitmentsOf, type Opening, type Openings } from '../domain/commitment.ts'
import type { Entry } from '../domain/entry.ts'
import type { AuditStore, SealedFields } from './ports.ts'

const PURPOSE = 'audit-person-key'
const CACHED_PERSONS = 10_000

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
  /** Destroys their keys for good. When it resolves nobody in this process uses them any more. */
  erase(persons: readonly string[]): Promise<void>
}

/** Openings by place, and those persons of the entry whose key was destroyed. */
export type OpenedFields = { fields: Record<string, Opening>; erased: ReadonlySet<string> }

export type PersonKeysOptions = {
  store: Pick<AuditStore, 'personKeys' | 'addPersonKeys' | 'destroyPersonKeys' | 'sealed'>
  keys: Keyring
  /** How long a key may be used after it was read: what another process erases is unreadable here after that. */
  cacheMs: number
  /** A clock that never goes back. */
  monotonicMs?: () => number
}

/**
 * One key per person, wrapped by the master key: destroying the row makes every personal value of that person in the
 * trail unreadable at once, and no hash changes. Keys are remembered for a moment only, and a load that began before
 * an erasure remembers nothing.
 */
export const createPersonKeys = ({
  store,
  keys,
  cacheMs,
  monotonicMs = () => performance.now(),
}: PersonKeysOptions): PersonKeys => {
  const cache = new Map<string, { key: KeyObject | null; until: number }>()
  let erasures = 0

  const keyOf = (bytes: Buffer): KeyObject => {
    const key = createSecretKey(bytes)
    bytes.fill(0)
    return key
  }

  const forget = (persons: readonly string[]) => {
    erasures += 1
    for (const person of persons) cache.delete(person)
  }

  /** Null for the erased, nothing for those who have no key yet. */
  const keysOf = async (persons: Iterable<string>, create: boolean): Promise<Map<string, KeyObject | null>> => {
    const [began, generation] = [monotonicMs(), erasures]
    const found = new Map<string, KeyObject | null>()
    const missing: string[] = []
    for (const person of persons) {
      const known = cache.get(person)
      if (known && known.until > began) found.set(person, known.key)
      else missing.push(person)
    }
    if (missing.length === 0) return found
    const loaded = new Map<string, KeyObject | null>()
    const load = async (wanted: readonly string[]) => {
      for (const { person, wrapped } of await store.personKeys(wanted)) {
        loaded.set(person, wrapped && keyOf(keys.open(PURPOSE, wrapped, wrapBound(person))))
      }
    }
    await load(missing)
    const fresh = create ? missing.filter((person) => !loaded.has(person)) : []
    if (fresh.length > 0) {
      const made = new Map(fresh.map((person) => [person, randomBytes(32)]))
      const added = await store.addPersonKeys(
        [...made].map(([person, key]) => ({ person, wrapped: keys.seal(PURPOSE, key, wrapBound(person)) })),
      )
      for (const [person, key] of made) if (added.has(person)) loaded.set(person, keyOf(key))
      // Another writer was first, and its key is the one that counts.
      const others = fresh.filter((person) => !added.has(person))
      if (others.length > 0) await load(others)
    }
    if (cache.size + loaded.size > CACHED_PERSONS) cache.clear()
    for (const [person, key] of loaded) {
      found.set(person, key)
      if (generation === erasures) cache.set(person, { key, until: began + cacheMs })
    }
    return found
  }

  return {
    async seal(openings) {
      if (openings.length === 0) return []
      const known = await keysOf(new Set(openings.map(({ person }) => person)), true)
      return openings.flatMap(({ entryId, person, fields }) => {
        const key = known.get(person)
        return key
          ? [{ entryId, person, sealed: sealWith(key, JSON.stringify(fields), sealBound(entryId, person)) }]
          : []
      })
    },

    async open(entries) {
      const persons = new Map<string, Set<string>>()
      for (const entry of entries) {
        const own = [...commitmentsOf(entry).values()].map(({ person }) => person)
        if (own.length > 0) persons.set(entry.id, new Set(own))
      }
      const opened = new Map<string, OpenedFields>()
      if (persons.size === 0) return opened
      const known = await keysOf(new Set([...persons.values()].flatMap((own) => [...own])), false)
      const erased = new Set([...known].flatMap(([person, key]) => (key === null ? [person] : [])))
      for (const [id, own] of persons) {
        opened.set(id, { fields: {}, erased: new Set([...own].filter((person) => erased.has(person))) })
      }
      for (const { entryId, person, sealed } of await store.sealed([...persons.keys()])) {
        const key = known.get(person)
        if (key) Object.assign(opened.get(entryId)?.fields ?? {}, unseal(key, entryId, person, sealed))
      }
      return opened
    },

    async erase(persons) {
      forget(persons)
      await store.destroyPersonKeys(persons)
      forget(persons)
    },
  }
}

/** What cannot be opened is as if it were not there. */
const unseal = (key: KeyObject, entryId: string, person: string, sealed: Buffer): Record<string, Opening> => {
  try {
    return JSON.parse(openWith(key, sealed, sealBound(entryId, person)).toString('utf8'))
  } catch {
    return {}
  }
}
