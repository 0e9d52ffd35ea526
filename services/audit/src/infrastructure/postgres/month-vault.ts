import { Session } from '@ashlar/platform/postgres'
import type { MonthVault } from '../../application/ports.ts'
import type { ChainPiece, Segment } from '../../domain/segment.ts'

type PieceRow = {
  chain: string
  first: bigint
  last: bigint
  count: bigint
  previous_hash: string
  hash: string
  recorded_at: string
}

/** The partitions of the trail, seen by the role that owns them. Close it after use. */
export const openMonthVault = async (adminUrl: string): Promise<MonthVault & { close(): Promise<void> }> => {
  const session = await Session.open({ url: adminUrl, applicationName: 'audit-archive', dependency: 'postgres' })
  await session.query(`SET search_path = public; SET lock_timeout = '5s'`)

  const piecesOf = async (month: string): Promise<Record<string, ChainPiece>> => {
    const rows = await session.query<PieceRow>(
      `SELECT DISTINCT ON (chain) chain, first_value(sequence) OVER w AS first, sequence AS last,
              count(*) OVER w AS count, first_value(previous_hash) OVER w AS previous_hash, hash,
              to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS recorded_at
       FROM ${partition(month)} WINDOW w AS (PARTITION BY chain ORDER BY sequence)
       ORDER BY chain, sequence DESC`,
    )
    return Object.fromEntries(
      rows.map(({ chain, first, last, count, previous_hash, hash, recorded_at }) => {
        const [from, to] = [Number(first), Number(last)]
        if (to - from + 1 !== Number(count)) throw new Error(`Chain ${chain} has holes or doubles in ${month}`)
        return [chain, { from, to, previousHash: previous_hash, hash, recordedAt: recorded_at }]
      }),
    )
  }

  return {
    async ended(before, now) {
      const rows = await session.query<{ name: string }>(
        'SELECT name FROM trail_months WHERE segment IS NULL AND upper <= $1 AND upper <= $2 ORDER BY upper',
        [before, now],
      )
      return rows.map(({ name }) => name)
    },
    pieces: piecesOf,
    async takeAway(month, segment: Segment) {
      await session.query('BEGIN')
      try {
        await session.query(`LOCK TABLE ${partition(month)} IN ACCESS EXCLUSIVE MODE`)
        const now = await piecesOf(month)
        if (JSON.stringify(now) !== JSON.stringify(segment.chains)) {
          throw new Error(`${month} changed while it was archived`)
        }
        await session.query(`ALTER TABLE entries DETACH PARTITION ${partition(month)}`)
        await session.query(`DELETE FROM sealed_fields s USING ${partition(month)} e WHERE s.entry_id = e.id`)
        await session.query('UPDATE trail_months SET segment = $2 WHERE name = $1 AND segment IS NULL', [
          month,
          JSON.stringify(segment),
        ])
        await session.query(`DROP TABLE ${partition(month)}`)
        await session.query('COMMIT')
      } catch (error) {
        await session.query('ROLLBACK').catch(() => {})
        throw error
      }
    },
    close: () => session.close(),
  }
}

/** The names that migrations and `ashlar.ensure_trail_month` give, and no others. */
const partition = (month: string): string => {
  if (!/^entries_(?:until_)?\d{4,6}_\d\d$/.test(month)) throw new Error(`Not a month of the trail: ${month}`)
  return `public."${month}"`
}
