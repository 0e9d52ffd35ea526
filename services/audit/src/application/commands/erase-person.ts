import type { EntryContext } from '../../domain/entry.ts'
import { erasureEntry } from '../../domain/erasure.ts'
import type { ChainWriter } from '../chain-writer.ts'
import type { PersonKeys } from '../person-keys.ts'
import type { ErasureList } from '../ports.ts'

export type ErasePersonDeps = {
  persons: Pick<PersonKeys, 'erase'>
  erasures: ErasureList
  now: () => Date
}

export type ErasePerson = (input: { person: string; writer: ChainWriter; context: EntryContext }) => Promise<void>

/**
 * Makes every personal value of a person in the trail unreadable, and those that are still to come. May stop anywhere
 * and be repeated: the entry that tells of it is stored once, and comes first, so that a destroyed key is never
 * without its reason; the list comes before the key, so that a restored store can be put right.
 */
export const erasePerson =
  ({ persons, erasures, now }: ErasePersonDeps): ErasePerson =>
  async ({ person, writer, context }) => {
    const at = now()
    await writer.append([erasureEntry(person, at, context)])
    await erasures.add(person, at)
    await persons.erase([person])
  }

const AT_ONCE = 1000

/** Destroys the keys of everybody on the list: a store that was restored from a backup may have some of them again. */
export const replayErasures = async ({ persons, erasures }: Omit<ErasePersonDeps, 'now'>): Promise<number> => {
  let count = 0
  let some: string[] = []
  const destroy = async () => {
    if (some.length > 0) await persons.erase(some)
    count += some.length
    some = []
  }
  for await (const person of erasures.read()) {
    some.push(person)
    if (some.length === AT_ONCE) await destroy()
  }
  await destroy()
  return count
}
