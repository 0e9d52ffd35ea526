import type { Position } from '@ashlar/platform/cdc'
import { serviceContext } from '@ashlar/platform/context'
import type { Database, PlatformTx, UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { type Kysely, sql } from 'kysely'
import {
  type AuditStore,
  ChainConflict,
  type PersonKey,
  type SealedFields,
  Unstorable,
} from '../../application/ports.ts'
import type { Entry, Link, Texts } from '../../domain/entry.ts'
import { arrayLiteral } from './array-literal.ts'
import type { AuditDatabase } from './database.ts'
import { listEntries } from './list-entries.ts'
import { createMonths } from './months.ts'
import { ENTRY_COLUMNS, recordedAt, toCheckpoint, toEntry } from './rows.ts'
import { archivedEnd, readSegments, readTold } from './segments.ts'

export type PostgresAuditStoreOptions = {
  database: Database<AuditDatabase>
  unitOfWork: UnitOfWork<PlatformTx>
  runtime: Runtime
}

const UNIQUE_VIOLATION = '23505'

/** SQLSTATE of values that are no text, no JSON or no time for PostgreSQL, and of what exceeds its limits. */
const NO_FORM = /^(?:22...|54...)$/

/** The trail in PostgreSQL. */
export const createPostgresAuditStore = ({ database, unitOfWork, runtime }: PostgresAuditStoreOptions): AuditStore => {
  const { db } = database
  const months = createMonths(db)
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
      if (!row) return archivedEnd(db, chain)
      return { sequence: Number(row.sequence), hash: row.hash, recordedAt: row.recorded_at }
    },

    async known(ids) {
      const { rows } = await sql<{ id: string }>`SELECT id FROM entry_places WHERE id = ANY (${ids}::uuid[])`.execute(
        db,
      )
      return new Set(rows.map(({ id }) => id))
    },

    told: (ids) => readTold(db, ids),

    async append({ chain, links, sealed, position }) {
      await months.ensureFor(links)
      try {
        // Asked together, they go to the server in one write.
        await write((tx) =>
          Promise.all([
            links.length > 0 && insertEntries(tx, links),
            sealed.length > 0 && insertSealed(tx, sealed),
            position && savePosition(tx, chain, position),
          ]),
        )
      } catch (error) {
        const { code, message } = error as { code?: unknown; message: string }
        if (code === UNIQUE_VIOLATION) throw new ChainConflict(`Chain ${chain} went on elsewhere`)
        if (typeof code === 'string' && NO_FORM.test(code)) throw new Unstorable(message, { cause: error })
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
      const added = await write((tx) =>
        sql<{ person: string }>`
          INSERT INTO person_keys (person, wrapped)
          SELECT person, decode(wrapped, 'base64') FROM unnest(
            ${arrayLiteral(keys.map(({ person }) => person))}::text[],
            ${keys.map(({ wrapped }) => wrapped.toString('base64'))}::text[]) AS rows (person, wrapped)
          ON CONFLICT (person) DO NOTHING RETURNING person`.execute(tx),
      )
      return new Set(added.rows.map(({ person }) => person))
    },

    async destroyPersonKeys(persons) {
      await write((tx) =>
        sql`
          INSERT INTO person_keys (person, wrapped, erased_at)
          SELECT DISTINCT person, NULL::bytea, now() FROM unnest(${arrayLiteral(persons)}::text[]) AS rows (person)
          ON CONFLICT (person) DO UPDATE SET wrapped = NULL, erased_at = now()
          WHERE person_keys.wrapped IS NOT NULL`.execute(tx),
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

    segments: () => readSegments(db),
    prepareMonths: (now, ahead) => months.ensureAhead(now, ahead),

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
