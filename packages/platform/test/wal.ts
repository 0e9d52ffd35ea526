import type { TestDatabase } from '../src/testing/index.ts'

export type WalTransaction = { messages: Record<string, unknown>[]; changes: string[]; bytes: Buffer }

/** Reads a database's change stream as the change reader would: each committed transaction with its audit messages. */
export const openWal = async (database: TestDatabase) => {
  const slot = `wal_${database.name}`
  await database.sql(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot])
  return {
    /** What was committed since the last call. */
    read: async (): Promise<WalTransaction[]> => {
      // Clusters of tests commit asynchronously, and decoding sees only what was flushed.
      await database.sql(`SELECT pg_logical_emit_message(false, 'flush', '', true)`)
      const rows = await database.sql<{ xid: string; data: Buffer }>(
        `SELECT xid::text, data FROM pg_logical_slot_get_binary_changes($1, NULL, NULL,
           'proto_version', '1', 'publication_names', 'ashlar_audit', 'messages', 'true')`,
        [slot],
      )
      const transactions: WalTransaction[] = []
      for (const { data } of rows) {
        const kind = String.fromCharCode(data.readUInt8(0))
        if (kind === 'B') transactions.push({ messages: [], changes: [], bytes: Buffer.alloc(0) })
        const current = transactions.at(-1)
        if (!current) continue
        current.bytes = Buffer.concat([current.bytes, data])
        if ('IUDT'.includes(kind)) current.changes.push(kind)
        // 'M', flags (1), LSN (8), prefix as a C string, length (4), content.
        if (kind === 'M') {
          const end = data.indexOf(0, 10)
          if (data.toString('utf8', 10, end) === 'ashlar.audit') {
            current.messages.push(JSON.parse(data.toString('utf8', end + 5)))
            // A later change of the same transaction must find its context in front of it.
            if (current.changes.length > 0 && current.messages.length === 1) throw new Error('context after the change')
          }
        }
      }
      return transactions
    },
    close: () => database.sql('SELECT pg_drop_replication_slot($1)', [slot]),
  }
}
