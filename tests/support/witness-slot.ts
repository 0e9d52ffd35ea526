import pg from 'pg'

/** One row change as the write-ahead log tells it, by a reader that shares no code with the product's. */
export type LoggedChange = string

const SLOT = 'independent_witness'

/** Starts an independent record of a database's audited changes, from now on. */
export const openWitnessSlot = async (url: string, name: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [`${SLOT}_${name}`])
  await client.end()
}

const OPERATIONS: Readonly<Record<string, string>> = { I: 'insert', U: 'update', D: 'delete', T: 'truncate' }

/** `txid lsn operation table` of every row change since the slot was made, sorted. */
export const readWitnessSlot = async (url: string, name: string, publication: string): Promise<LoggedChange[]> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ lsn: string; xid: string; data: Buffer }>(
    `SELECT lsn::text, xid::text, data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL,
       'proto_version', '1', 'publication_names', $2, 'messages', 'true')`,
    [`${SLOT}_${name}`, publication],
  )
  await client.end()

  const tables = new Map<number, string>()
  const changes: LoggedChange[] = []
  for (const { lsn, xid, data } of rows) {
    const tag = String.fromCharCode(data[0] ?? 0)
    if (tag === 'R') {
      // Relation: oid, then schema and table as strings that end with a zero byte.
      const schemaEnd = data.indexOf(0, 5)
      tables.set(data.readUInt32BE(1), data.toString('utf8', schemaEnd + 1, data.indexOf(0, schemaEnd + 1)))
    }
    const operation = OPERATIONS[tag]
    if (operation === undefined) continue
    // Truncate: number of relations, options, then their oids; the others begin with the oid.
    const oids =
      tag === 'T'
        ? Array.from({ length: data.readUInt32BE(1) }, (_, i) => data.readUInt32BE(6 + 4 * i))
        : [data.readUInt32BE(1)]
    for (const oid of oids) changes.push(`${xid} ${lsn} ${operation} ${tables.get(oid)}`)
  }
  return changes.sort()
}

/** The same line for each entry that the trail holds of one source. */
export const readTrail = async (auditUrl: string, chain: string): Promise<LoggedChange[]> => {
  const client = new pg.Client({ connectionString: auditUrl })
  await client.connect()
  const { rows } = await client.query<{
    action: string
    source: { lsn: string; txid: string | number; table: string }
  }>(`SELECT action, source FROM entries WHERE chain = $1 AND action IN ('insert', 'update', 'delete', 'truncate')`, [
    chain,
  ])
  await client.end()
  return rows.map(({ action, source }) => `${source.txid} ${source.lsn} ${action} ${source.table}`).sort()
}
