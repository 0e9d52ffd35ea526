import type { Bus } from '../bus/index.ts'
import { type Envelope, isEnvelope } from '../events/index.ts'
import type { Database, Session } from '../postgres/index.ts'
import type { Runtime, ServiceName } from '../runtime/index.ts'
import { createWaker, paceMs, sleep } from './waker.ts'

export type Relay = {
  start(): void
  /** Tells that something was committed; costs nothing when the relay is at work already. */
  wake(): void
  /** Finishes the batch at hand and ends. Later calls wait for the same end. */
  stop(): Promise<void>
}

export type RelayOptions = {
  // biome-ignore lint/suspicious/noExplicitAny: any database that has the platform's tables
  database: Database<any>
  bus: Pick<Bus, 'publish'>
  runtime: Runtime
  service: ServiceName
  /** Rows per publish (500). */
  batch?: number
  /** The slowest look at the outbox when no wake comes (500 ms). */
  pollMs?: number
}

type Row = { id: bigint; envelope: Envelope; age_seconds: number }

/** How long rows that the bus has confirmed may stay, so that their deletion rides with the next look. */
const LINGER_MS = 20
const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5_000

/**
 * Moves events from the outbox to the bus, in the order of their ids. A row leaves only after the bus has confirmed
 * it, so a crash at any instant repeats events (the bus knows them by id) and loses none. There is no cursor: a row
 * that commits late is simply found by the next look. One relay per outbox works at a time: the advisory lock belongs
 * to the very connection that reads and deletes, so whoever has lost the lock can delete nothing any more.
 */
export const createRelay = ({ database, bus, runtime, service, batch = 500, pollMs = 500 }: RelayOptions): Relay => {
  const log = runtime.logger(service)
  const metrics = runtime.metrics(service)
  const age = metrics.gauge('outbox_oldest_age_seconds', 'Age of the oldest event that the bus has not confirmed')
  const relayed = metrics.counter('outbox_relayed_total', 'Events that the bus has confirmed')
  const refused = metrics.counter('outbox_refused_total', 'Outbox rows that are no events and were set aside')
  const lock = runtime.names.lock(`relay/${service}`)

  const waker = createWaker()
  const stopping = new AbortController()
  const stopped = (): boolean => stopping.signal.aborted
  let failures = 0
  let running: Promise<void> | undefined

  /**
   * Sets aside the rows that are no events (written by hand): the bus could never take them, and all that follow would
   * wait. Nothing else is set aside, whatever the bus says of it: what is an event is tried until it is taken.
   */
  const withoutStrangers = async (session: Session, rows: readonly Row[]): Promise<readonly Row[]> => {
    const strangers = rows.filter(({ envelope }) => !isEnvelope(envelope))
    if (strangers.length === 0) return rows
    await session.ask(REFUSE, [strangers.map(({ id }) => id)])
    refused.inc(strangers.length)
    for (const { id } of strangers) log.error({ outboxId: String(id) }, 'an outbox row is no event; it is set aside')
    return rows.filter((row) => !strangers.includes(row))
  }

  /** Deletes what the bus has confirmed and reads on, in one round trip. */
  const look = async (session: Session, confirmed: readonly bigint[]): Promise<Row[]> => {
    const read = { text: READ, values: [batch] }
    const answers = await session.batch(confirmed.length === 0 ? [read] : [{ text: DELETE, values: [confirmed] }, read])
    const rows = (answers.at(-1)?.rows ?? []) as Row[]
    age.set(Math.max(0, rows[0]?.age_seconds ?? 0))
    return rows
  }

  /** Moves events until it is stopped. */
  const move = async (session: Session): Promise<void> => {
    let confirmed: bigint[] = []
    while (!stopped()) {
      const lookedAtMs = performance.now()
      const rows = await look(session, confirmed)
      const events = await withoutStrangers(session, rows)
      if (events.length > 0) await bus.publish(events.map((row) => row.envelope))
      confirmed = events.map((row) => row.id)
      if (confirmed.length > 0) await runtime.faults.hit(`${service}.relay.published`)
      relayed.inc(confirmed.length)
      failures = 0
      if (rows.length === batch) continue
      await sleep(paceMs(rows.length) - (performance.now() - lookedAtMs), stopping.signal)
      if (!stopped()) await waker.pause(confirmed.length > 0 ? LINGER_MS : pollMs)
    }
    if (confirmed.length > 0) await session.ask(DELETE, [confirmed])
  }

  const work = async (session: Session): Promise<void> => {
    for (;;) {
      if (stopped()) return
      const [answer] = await session.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [lock])
      if (answer?.mine) break
      await sleep(pollMs, stopping.signal)
    }
    // The outbox grows from nothing: a plan made while it was empty would sort all of it for each batch.
    await session.query('SET enable_seqscan = off')
    // A delete that the server loses in a crash repeats events, which the bus knows: it need not wait for the disk.
    await session.query('SET synchronous_commit = off')
    await move(session)
  }

  const run = async (): Promise<void> => {
    while (!stopped()) {
      let session: Session | undefined
      try {
        session = await database.session()
        await work(session)
      } catch (error) {
        failures += 1
        // The first of a row tells; the others would only repeat it until the store is back.
        log[failures === 1 ? 'warn' : 'debug']({ err: error, failures }, 'relay interrupted, trying again')
      } finally {
        await session?.close()
      }
      // Not cut short by wakes: commits that go on while the bus is away must not turn into a storm of attempts.
      const backoffMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10))
      await sleep(backoffMs * (0.5 + Math.random() / 2), stopping.signal)
    }
  }

  return {
    start: () => {
      running ??= run()
    },
    wake: waker.wake,
    stop: async () => {
      stopping.abort()
      waker.wake()
      await running
    },
  }
}

const READ = `
  SELECT id, envelope, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age_seconds
  FROM outbox WHERE refused IS NULL ORDER BY id LIMIT $1`
const DELETE = 'DELETE FROM outbox WHERE id = ANY ($1::bigint[])'
const REFUSE = `UPDATE outbox SET refused = 'not an event' WHERE id = ANY ($1::bigint[])`
