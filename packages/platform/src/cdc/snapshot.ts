import type pg from 'pg'
import type { Catalogue } from './catalogue.ts'
import { changeId } from './identity.ts'
import type { AuditedTable, Change, Values } from './types.ts'
import { canonicalFor } from './values.ts'

const FETCH_ROWS = 500

export type SnapshotOptions = {
  client: pg.Client
  catalogue: Catalogue
  /** Exported by the slot's creation; without it the snapshot is taken now, which is never before the slot's start. */
  snapshot: string | undefined
  epoch: string
  /** The slot's start: part of the identity, so that an interrupted snapshot is taken up again without doubles. */
  lsn: string
  /** Called with batches of at most 500 rows; the next is fetched when it resolves. */
  store: (changes: Change[]) => Promise<void>
}

/** Hands over every row of every audited table, as of one instant, table by table in key order where there is one. */
export const readSnapshot = async ({
  client,
  catalogue,
  snapshot,
  epoch,
  lsn,
  store,
}: SnapshotOptions): Promise<void> => {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    if (snapshot) await client.query(`SET TRANSACTION SNAPSHOT ${client.escapeLiteral(snapshot)}`)
    const { rows } = await client.query<{ now: string }>(
      `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now`,
    )
    const commitTime = rows[0]?.now ?? ''
    for (const table of catalogue.values()) {
      for await (const values of tableRows(client, table)) {
        await store(values.map((after) => snapshotChange(table, after, { epoch, lsn, commitTime })))
      }
    }
  } finally {
    await client.query('ROLLBACK').catch(() => {})
  }
}

const snapshotChange = (
  table: AuditedTable,
  after: Values,
  { epoch, lsn, commitTime }: { epoch: string; lsn: string; commitTime: string },
): Change => {
  const key = table.primaryKey.map((column) => after[column] ?? null)
  const id = changeId({ epoch, txid: null, lsn, operation: 'snapshot', table: table.name, key })
  return { id, operation: 'snapshot', table, key, before: null, after, lsn, txid: null, commitTime, context: null }
}

async function* tableRows(client: pg.Client, table: AuditedTable): AsyncGenerator<Values[]> {
  const columns = table.columns?.map((column) => client.escapeIdentifier(column)).join(', ') ?? '*'
  const order = table.primaryKey.map((column) => client.escapeIdentifier(column)).join(', ')
  const name = table.name.split('.').map((part) => client.escapeIdentifier(part))
  const from = name.length === 1 ? `public.${name[0]}` : name.join('.')
  await client.query(
    `DECLARE ashlar_snapshot NO SCROLL CURSOR FOR SELECT ${columns} FROM ${from}${order ? ` ORDER BY ${order}` : ''}`,
  )
  for (;;) {
    const { rows, fields } = await client.query({
      text: `FETCH ${FETCH_ROWS} FROM ashlar_snapshot`,
      rowMode: 'array' as const,
      types: { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig,
    })
    if (rows.length === 0) break
    const forms = fields.map((field) => canonicalFor(field.dataTypeID))
    yield rows.map((row: (string | null)[]) =>
      Object.fromEntries(
        fields.map((field, index) => {
          const text = row[index]
          return [field.name, text === null || text === undefined ? null : (forms[index]?.(text) ?? null)]
        }),
      ),
    )
  }
  await client.query('CLOSE ashlar_snapshot')
}
