import { PgoutputPlugin } from 'pg-logical-replication'
import { type Lsn, parseLsn } from './lsn.ts'
import type { Operation, Values } from './types.ts'
import { canonicalFor } from './values.ts'
import { microTime, unixMicros } from './wire.ts'

/** The prefix of the messages that carry a transaction's context. */
export const CONTEXT_PREFIX = 'ashlar.audit'

export type RowEvent = {
  kind: 'row'
  lsn: Lsn
  operation: Exclude<Operation, 'snapshot'>
  table: string
  before: Values | null
  after: Values | null
}

export type StreamEvent =
  | { kind: 'begin'; txid: number; commitTime: string }
  | { kind: 'commit'; endLsn: Lsn }
  | { kind: 'context'; content: string }
  | { kind: 'relation'; table: string }
  | RowEvent
  | { kind: 'truncate'; lsn: Lsn; tables: string[] }

export type Decoder = { decode(lsn: Lsn, payload: Buffer): StreamEvent | undefined }

const BEGIN = 0x42

/** When the transaction that begins with this message was committed, in Unix milliseconds; undefined for any other. */
export const commitTimeMs = (payload: Buffer): number | undefined =>
  payload[0] === BEGIN ? Number(unixMicros(payload.readBigInt64BE(9)) / 1000n) : undefined

/**
 * Turns pgoutput messages into events with canonical values. One per connection: the server describes each table once
 * per connection and refers to it by number afterwards.
 */
export const createDecoder = (publication: string): Decoder => {
  const parser = new PgoutputPlugin({ protoVersion: 1, publicationNames: [publication], messages: true })

  return {
    decode(lsn, payload) {
      const message = parser.parse(payload)
      switch (message.tag) {
        case 'begin':
          return { kind: 'begin', txid: message.xid >>> 0, commitTime: microTime(message.commitTime as bigint) }
        case 'commit':
          return { kind: 'commit', endLsn: parseLsn(message.commitEndLsn ?? '0/0') }
        case 'message':
          if (message.prefix !== CONTEXT_PREFIX || !message.transactional) return undefined
          return { kind: 'context', content: Buffer.from(message.content).toString('utf8') }
        case 'relation':
          // The parser keeps this very object for the rows that follow. Its own parsers cut microseconds off.
          for (const column of message.columns) column.parser = canonicalFor(column.typeOid)
          return { kind: 'relation', table: tableName(message.schema, message.name) }
        case 'insert':
          return row(lsn, 'insert', message.relation, null, message.new)
        case 'update':
          return row(lsn, 'update', message.relation, message.old ?? present(message.key), message.new)
        case 'delete':
          return row(lsn, 'delete', message.relation, message.old ?? present(message.key), null)
        case 'truncate':
          return { kind: 'truncate', lsn, tables: message.relations.map((it) => tableName(it.schema, it.name)) }
        case 'origin':
        case 'type':
          return undefined
      }
    },
  }
}

export const tableName = (schema: string, name: string): string => (schema === 'public' ? name : `${schema}.${name}`)

const row = (
  lsn: Lsn,
  operation: RowEvent['operation'],
  relation: { schema: string; name: string },
  before: Values | null,
  after: Values | null,
): RowEvent => ({ kind: 'row', lsn, operation, table: tableName(relation.schema, relation.name), before, after })

/** Under the default identity an old row is its key alone; the other columns are unknown, not null. */
const present = (key: Values | null): Values | null =>
  key && Object.fromEntries(Object.entries(key).filter(([, value]) => value !== undefined))
