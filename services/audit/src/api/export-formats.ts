import type { Entry } from '../domain/entry.ts'

/** How a page of entries becomes text, and what stands before the first. */
export type ExportFormat = {
  contentType: string
  fileName: string
  head: string
  text(entries: readonly Entry[]): string
}

const COLUMNS: readonly (readonly [name: string, value: (entry: Entry) => unknown])[] = [
  ['id', (it) => it.id],
  ['chain', (it) => it.chain],
  ['sequence', (it) => it.sequence],
  ['recordedAt', (it) => it.recordedAt],
  ['service', (it) => it.service],
  ['entity', (it) => it.entity],
  ['entityId', (it) => it.entityId],
  ['action', (it) => it.action],
  ['actorType', (it) => it.actor.type],
  ['actorId', (it) => it.actor.id],
  ['changed', (it) => it.changed.join(' ')],
  ['before', (it) => it.before && JSON.stringify(it.before)],
  ['after', (it) => it.after && JSON.stringify(it.after)],
  ['requestId', (it) => it.context.requestId],
  ['traceId', (it) => it.context.traceId],
  ['ip', (it) => it.context.ip],
  ['userAgent', (it) => it.context.userAgent],
  ['reason', (it) => it.context.reason],
  ['epoch', (it) => it.source.epoch],
  ['lsn', (it) => it.source.lsn],
  ['txid', (it) => it.source.txid],
  ['table', (it) => it.source.table],
  ['commitTime', (it) => it.source.commitTime],
  ['previousHash', (it) => it.previousHash],
  ['hash', (it) => it.hash],
]

/**
 * What a spreadsheet takes for a formula or a command (https://owasp.org/www-community/attacks/CSV_Injection), the
 * full-width forms and what only has blanks in front included.
 */
const FORMULA = /^(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/

/** One cell (RFC 4180, section 2): quoted where it must be; a text that could run is kept from it by an apostrophe. */
export const csvCell = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  const raw = typeof value === 'string' ? value : JSON.stringify(value)
  const text = FORMULA.test(raw) ? `'${raw}` : raw
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const csvRow = (cells: readonly unknown[]): string => `${cells.map(csvCell).join(',')}\r\n`

export const exportFormats: Readonly<Record<'ndjson' | 'csv', ExportFormat>> = {
  ndjson: {
    contentType: 'application/x-ndjson; charset=utf-8',
    fileName: 'audit-entries.ndjson',
    head: '',
    text: (entries) => entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''),
  },
  csv: {
    contentType: 'text/csv; charset=utf-8; header=present',
    fileName: 'audit-entries.csv',
    head: csvRow(COLUMNS.map(([name]) => name)),
    text: (entries) => entries.map((entry) => csvRow(COLUMNS.map(([, value]) => value(entry)))).join(''),
  },
}

/** The text of an export, a piece per page. */
export async function* exportText(format: ExportFormat, pages: AsyncIterable<Entry[]>): AsyncGenerator<string> {
  if (format.head !== '') yield format.head
  for await (const page of pages) yield format.text(page)
}
