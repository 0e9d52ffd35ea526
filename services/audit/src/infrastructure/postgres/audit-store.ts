import type { Position } from '@ashlar/platform/cdc'
import { serviceContext } from '@ashlar/platform/context'
import type { Database, PlatformTx, UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { type Kysely, sql } from 'kysely'
import { type AuditStore, ChainConflict, type PersonKey, type SealedFields } from '../../application/ports.ts'
import type { Entry, Link, Texts } from '../../domain/entry.ts'
import { arrayLiteral } from './array-literal.ts'
import type { AuditDatabase } from './database.ts'
import { listEntries } from './list-entries.ts'
import { ENTRY_COLUMNS, recordedAt, toCheckpoint, toEntry } from './rows.ts'

export type PostgresAuditStoreOptions = {
  database: Database<AuditDatabase>
  unitOfWork: UnitOfWork<PlatformTx>
  runtime: Runtime
}

/** The trail in PostgreSQL. */
export const createPostgresAuditStore = ({ database, unitOfWork, runtime }: PostgresAuditStoreOptions): AuditStore => {
  const { db } = database
  // What is written here is not itself captured; the context says so much to whoever reads the log.
  const write = <T>(work: (tx: Kysely<AuditDatabase>) => Promise<T>): Promise<T> =>
    runtime.context.run(runtime.context.find() ?? serviceContext('audit'), () => unitOfWork((tx) => work(tx.db)))

  return {
    async head(chain) {
      const row = await db
        .selectFrom('entries')
        .select(['sequence', 'hash', recordedAt.as('recorded_at')])
        .where('chain', '=', chain)
        .orderBy('sequence', 'desc')
        .limit(1)
        .executeTakeFirst()
      return row && { sequence: Number(row.sequence), hash: row.hash, recordedAt: row.recorded_at }
    },

    async known(ids) {
      const { rows } = await sql<{ id: string }>`SELECT id FROM entries WHERE id = ANY (${ids}::uuid[])`.execute(db)
      return new Set(rows.map(({ id }) => id))
    },

    async append({ chain, links, sealed, position }) {
      try {
        await write(async (tx) => {
          if (links.length > 0) await insertEntries(tx, links)
          if (sealed.length > 0) await insertSealed(tx, sealed)
          if (position) await savePosition(tx, chain, position)
        })
      } catch (error) {
        if ((error as { code?: unknown }).code === '23505') throw new ChainConflict(`Chain ${chain} went on elsewhere`)
        throw error
      }
    },

    async position(chain) {
      const row = await db.selectFrom('positions').selectAll().where('chain', '=', chain).executeTakeFirst()
      return row && { epoch: row.epoch, lsn: row.lsn, phase: row.phase as Position['phase'] }
    },

    async lastCheckpoint(chain) {
      const row = await db
        .selectFrom('checkpoints')
        .selectAll()
        .where('chain', '=', chain)
        .orderBy('number', 'desc')
        .limit(1)
        .executeTakeFirst()
      return row && toCheckpoint(row)
    },

    async addCheckpoint({ from, to, witnessHash, witness, number, ...same }) {
      await write((tx) =>
        tx
          .insertInto('checkpoints')
          .values({
            ...same,
            number: BigInt(number),
            from_sequence: BigInt(from),
            to_sequence: BigInt(to),
            witness_hash: witnessHash,
            witness: Buffer.from(witness, 'base64'),
          })
          .onConflict((conflict) => conflict.doNothing())
          .execute(),
      )
    },

    async personKeys(persons) {
      const { rows } = await sql<PersonKey>`
        SELECT person, wrapped FROM person_keys WHERE person = ANY (${persons}::text[])`.execute(db)
      return rows
    },

    async addPersonKeys(keys) {
      await write((tx) =>
        tx
          .insertInto('person_keys')
          .values(keys.map(({ person, wrapped }) => ({ person, wrapped, erased_at: null })))
          .onConflict((conflict) => conflict.doNothing())
          .execute(),
      )
    },

    list: (page) => listEntries(db, page),

    async sealed(entryIds) {
      const { rows } = await sql<{ entry_id: string; person: string; sealed: Buffer }>`
        SELECT entry_id, person, sealed FROM sealed_fields WHERE entry_id = ANY (${entryIds}::uuid[])`.execute(db)
      return rows.map((row) => ({ entryId: row.entry_id, person: row.person, sealed: row.sealed }))
    },

    async chains() {
      const { rows } = await sql<{ chain: string }>`
        SELECT DISTINCT chain FROM (SELECT chain FROM checkpoints UNION ALL SELECT chain FROM positions
          UNION ALL SELECT chain FROM (WITH RECURSIVE c AS (
            (SELECT chain FROM entries ORDER BY chain LIMIT 1)
            UNION ALL SELECT (SELECT chain FROM entries e WHERE e.chain > c.chain ORDER BY chain LIMIT 1)
              FROM c WHERE c.chain IS NOT NULL
          ) SELECT chain FROM c WHERE chain IS NOT NULL) AS named) AS all_chains ORDER BY chain`.execute(db)
      return rows.map(({ chain }) => chain)
    },

    async entries(chain, after, limit) {
      const rows = await db
        .selectFrom('entries')
        .select(ENTRY_COLUMNS)
        .select(recordedAt.as('recorded_at'))
        .where('chain', '=', chain)
        .where('sequence', '>', BigInt(after))
        .orderBy('sequence')
        .limit(limit)
        .execute()
      return rows.map(toEntry)
    },

    async checkpoints(chain, after, limit) {
      const rows = await db
        .selectFrom('checkpoints')
        .selectAll()
        .where('chain', '=', chain)
        .where('number', '>', BigInt(after))
        .orderBy('number')
        .limit(limit)
        .execute()
      return rows.map(toCheckpoint)
    },

    async latestCheckpoints() {
      const rows = await db
        .selectFrom('checkpoints')
        .selectAll()
        .distinctOn('chain')
        .orderBy('chain')
        .orderBy('number', 'desc')
        .execute()
      return rows.map(toCheckpoint)
    },
  }
}

/**
 * One statement whatever the number of rows: each column is one text of lines. No canonical JSON, id, hash or time
 * holds a line break; what may hold one is an array.
 */
const insertEntries = async (tx: Kysely<AuditDatabase>, links: readonly Link[]): Promise<void> => {
  const lines = (pick: (entry: Entry) => string | number) => links.map(({ entry }) => pick(entry)).join('\n')
  const json = (part: keyof Texts) => links.map(({ texts }) => texts[part]).join('\n')
  const texts = (pick: (entry: Entry) => string | null) => arrayLiteral(links.map(({ entry }) => pick(entry)))
  await sql`
    INSERT INTO entries (id, chain, sequence, service, entity, entity_id, action, before, after, changed, actor, context,
                         source, recorded_at, previous_hash, hash)
    SELECT * FROM unnest(
      string_to_array(${lines((it) => it.id)}, E'\n')::uuid[], ${texts((it) => it.chain)}::text[],
      string_to_array(${lines((it) => it.sequence)}, E'\n')::bigint[], ${texts((it) => it.service)}::text[],
      ${texts((it) => it.entity)}::text[], ${texts((it) => it.entityId)}::text[],
      string_to_array(${lines((it) => it.action)}, E'\n'),
      string_to_array(${json('before')}, E'\n', 'null')::json[], string_to_array(${json('after')}, E'\n', 'null')::json[],
      string_to_array(${json('changed')}, E'\n')::jsonb[], string_to_array(${json('actor')}, E'\n')::jsonb[],
      string_to_array(${json('context')}, E'\n')::jsonb[], string_to_array(${json('source')}, E'\n')::jsonb[],
      string_to_array(${lines((it) => it.recordedAt)}, E'\n')::timestamptz[],
      string_to_array(${lines((it) => it.previousHash)}, E'\n'), string_to_array(${lines((it) => it.hash)}, E'\n'))`.execute(
    tx,
  )
}

const insertSealed = async (tx: Kysely<AuditDatabase>, sealed: readonly SealedFields[]): Promise<void> => {
  await sql`
    INSERT INTO sealed_fields (entry_id, person, sealed)
    SELECT entry_id, person, decode(sealed, 'base64') FROM unnest(
      ${sealed.map((it) => it.entryId)}::uuid[], ${sealed.map((it) => it.person)}::text[],
      ${sealed.map((it) => it.sealed.toString('base64'))}::text[]) AS rows (entry_id, person, sealed)`.execute(tx)
}

const savePosition = async (
  tx: Kysely<AuditDatabase>,
  chain: string,
  { epoch, lsn, phase }: Position,
): Promise<void> => {
  await tx
    .insertInto('positions')
    .values({ chain, epoch, lsn, phase })
    .onConflict((conflict) => conflict.column('chain').doUpdateSet({ epoch, lsn, phase, updated_at: sql`now()` }))
    .execute()
}
