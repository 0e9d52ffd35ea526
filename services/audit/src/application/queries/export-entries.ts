import { err, ok, type Result } from '@ashlar/kernel'
import { DependencyUnavailable } from '@ashlar/platform/postgres'
import type { Draft, Entry } from '../../domain/entry.ts'
import type { ChainWriter } from '../chain-writer.ts'
import type { EntryFilter, PlaceInList } from '../ports.ts'
import type { ReadEntries } from './read-entries.ts'

const PAGE = 500

export type ExportEntriesDeps = {
  readEntries: ReadEntries
  /** The writer of the chain that tells of the export; undefined while this process writes none. */
  writer: () => ChainWriter | undefined
  now: () => Date
  atOnce: number
}

export type ExportedPages = {
  pages: AsyncGenerator<Entry[]>
  /** Must be called once, whether the pages were read or not. */
  release(): void
}

export type ExportEntries = (input: {
  filter: EntryFilter
  /** The entry that tells of this export. */
  told: Draft
}) => Promise<Result<ExportedPages, 'overloaded'>>

/**
 * Entries that were recorded until now, oldest first, page by page: what is read is asked for when it is wanted, so
 * nothing waits in memory or in the database. That somebody asked is in the trail before the first entry leaves.
 */
export const exportEntries = ({ readEntries, writer, now, atOnce }: ExportEntriesDeps): ExportEntries => {
  let running = 0
  return async ({ filter, told }) => {
    if (running >= atOnce) return err('overloaded')
    const own = writer()
    if (!own) throw new DependencyUnavailable('the trail')
    running += 1
    let released = false
    const release = () => {
      if (!released) running -= 1
      released = true
    }
    try {
      await own.append([told])
    } catch (error) {
      release()
      throw error
    }
    const until = now().toISOString()
    const to = filter.to !== undefined && filter.to < until ? filter.to : until
    return ok({ pages: pagesOf(readEntries, { ...filter, to }), release })
  }
}

async function* pagesOf(readEntries: ReadEntries, filter: EntryFilter): AsyncGenerator<Entry[]> {
  for (let after: PlaceInList | undefined; ; ) {
    const { entries, next } = await readEntries({ filter, order: 'oldest', limit: PAGE, after })
    if (entries.length > 0) yield entries
    if (!next) return
    after = next
  }
}
