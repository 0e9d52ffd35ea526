import { reveal } from '../../domain/commitment.ts'
import type { Entry } from '../../domain/entry.ts'
import type { PersonKeys } from '../person-keys.ts'
import type { AuditStore, EntryPage, PlaceInList } from '../ports.ts'

export type EntriesRead = { entries: Entry[]; next: PlaceInList | undefined }

export type ReadEntries = (page: EntryPage) => Promise<EntriesRead>

/** One page of entries with personal values in their places, null where the person was erased. */
export const readEntries =
  ({ store, persons }: { store: AuditStore; persons: PersonKeys }): ReadEntries =>
  async (page) => {
    const found = await store.list({ ...page, limit: page.limit + 1 })
    const entries = found.slice(0, page.limit)
    const last = found.length > page.limit ? entries.at(-1) : undefined
    const opened = await persons.open(entries)
    return {
      entries: entries.map((entry) => reveal(entry, opened.get(entry.id)?.fields ?? {})),
      next: last && { recordedAt: last.recordedAt, id: last.id },
    }
  }
