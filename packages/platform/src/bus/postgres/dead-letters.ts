import { sql } from 'kysely'
import { formatActor } from '../../context/index.ts'
import { type Envelope, toEnvelope } from '../../events/index.ts'
import type { Database } from '../../postgres/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { DeadLetters } from '../bus.ts'
import { deadLetterDiscarded } from '../contract.ts'
import { append } from './append.ts'

type DeadRow = {
  subscription: string
  event_id: string
  envelope: Envelope
  attempts: number
  last_error: string
  first_failed_at: Date
  dead_at: Date
  waiting: number
}

/** `changed` is called after each change, so that readers look at once. */
export const createDeadLetters = ({
  database,
  runtime,
  changed,
}: {
  database: Database<unknown>
  runtime: Runtime
  changed: () => void
}): DeadLetters => {
  const redriveOne = async (id: string): Promise<number> => {
    const { subscription, eventId } = parseId(id)
    const { rows } = await sql<{ done: boolean }>`SELECT bus_redrive(${subscription}, ${eventId}) AS done`.execute(
      database.db,
    )
    return rows[0]?.done ? 1 : 0
  }

  const list: DeadLetters['list'] = async () => {
    const { rows } = await sql<DeadRow>`
      SELECT d.subscription, d.event_id, d.envelope, d.attempts, d.last_error, d.first_failed_at, d.dead_at,
        (SELECT count(*)::int FROM deliveries w
         WHERE w.subscription = d.subscription AND w.key = d.key AND w.state <> 'discarded' AND w.position > d.position
        ) AS waiting
      FROM deliveries d WHERE d.state = 'dead' ORDER BY d.dead_at, d.subscription, d.position`.execute(database.db)
    return rows.map((row) => ({
      id: `${row.subscription}:${row.event_id}`,
      subscription: row.subscription,
      event: row.envelope,
      attempts: row.attempts,
      error: row.last_error,
      firstFailedAt: row.first_failed_at,
      deadAt: row.dead_at,
      waiting: row.waiting,
    }))
  }

  return {
    list,
    redrive: async (id) => {
      let redriven = 0
      for (const one of id === 'all' ? (await list()).map((letter) => letter.id) : [id])
        redriven += await redriveOne(one)
      if (redriven > 0) changed()
      return redriven
    },
    discard: async (id, reason) => {
      const { subscription, eventId } = parseId(id)
      const actor = formatActor(runtime.context.current().actor)
      const event = deadLetterDiscarded.of({ subject: eventId, data: { subscription, eventId, reason, actor } })
      await database.transact([{ text: 'BEGIN' }], async (db) => {
        const { rows } = await sql<{ done: boolean }>`
          SELECT bus_discard(${subscription}, ${eventId}, ${reason}) AS done`.execute(db)
        if (!rows[0]?.done) throw new Error(`there is no dead letter ${id}`)
        await append(db, [toEnvelope(runtime, 'bus', event)])
      })
      changed()
    },
  }
}

const ID = /^(.+):([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/

const parseId = (id: string): { subscription: string; eventId: string } => {
  const [, subscription, eventId] = ID.exec(id) ?? []
  if (subscription === undefined || eventId === undefined) {
    throw new Error(`not the id of a dead letter: ${JSON.stringify(id)} (it is <subscription>:<event id>)`)
  }
  return { subscription, eventId }
}
