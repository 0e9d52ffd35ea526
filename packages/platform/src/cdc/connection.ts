import pg from 'pg'
import { formatLsn, type Lsn, parseLsn } from './lsn.ts'
import { slotIdentifier } from './slot.ts'
import { CANONICAL_SESSION } from './values.ts'
import { type Frame, readFrame, statusUpdate } from './wire.ts'

/** What `pg` offers beneath its client; its types leave it out. */
type Wire = {
  stream: { pause(): void; resume(): void; destroy(): void }
  sendCopyFromChunk(chunk: Buffer): void
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void
  once(event: 'replicationStart', listener: () => void): void
}

const wireOf = (client: pg.Client): Wire => (client as unknown as { connection: Wire }).connection

const CONNECT_TIMEOUT_MS = 10_000

/** An ordinary session beside the stream: catalogue, state of the slot, rows of a snapshot. Values come as text. */
export const openSession = async (url: string, applicationName: string): Promise<pg.Client> => {
  const client = new pg.Client({
    connectionString: url,
    application_name: applicationName,
    options: CANONICAL_SESSION,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  // Without a listener the loss of the connection would end the process; the next query reports it.
  client.on('error', () => {})
  await client.connect()
  return client
}

/** A connection in logical replication mode. Closed once, by `close`. */
export class ReplicationConnection {
  readonly #client: pg.Client
  readonly #wire: Wire
  #open = true

  private constructor(client: pg.Client) {
    this.#client = client
    this.#wire = wireOf(client)
  }

  static async open(url: string, applicationName: string): Promise<ReplicationConnection> {
    const client = new pg.Client({
      connectionString: url,
      application_name: applicationName,
      options: CANONICAL_SESSION,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      ...{ replication: 'database' },
    })
    client.on('error', () => {})
    await client.connect()
    return new ReplicationConnection(client)
  }

  /** System identifier and timeline: positions and transaction ids mean something within one epoch only. */
  async epoch(): Promise<string> {
    const { rows } = await this.#client.query<{ systemid: string; timeline: number | string }>('IDENTIFY_SYSTEM')
    const row = rows[0]
    if (!row) throw new Error('The server does not identify itself')
    return `${row.systemid}/${row.timeline}`
  }

  /**
   * Creates the slot. The named snapshot shows the database exactly at the slot's start and lives until the next
   * command on this connection. Waits for every transaction of the cluster that is open now.
   */
  async createSlot(name: string): Promise<{ start: Lsn; snapshot: string }> {
    const { rows } = await this.#client.query<{ consistent_point: string; snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT ${slotIdentifier(name)} LOGICAL pgoutput (SNAPSHOT 'export')`,
    )
    const row = rows[0]
    if (!row) throw new Error('The server did not answer the creation of the slot')
    return { start: parseLsn(row.consistent_point), snapshot: row.snapshot_name }
  }

  /** Starts streaming; resolves when the server has agreed. `ended` is told once, with the reason. */
  async start(
    slot: string,
    publication: string,
    from: Lsn,
    on: { frame: (frame: Frame, size: number) => void; ended: (error: Error) => void },
  ): Promise<void> {
    this.#wire.on('copyData', ({ chunk }) => {
      if (!this.#open) return
      try {
        on.frame(readFrame(chunk), chunk.length)
      } catch (error) {
        on.ended(error as Error)
      }
    })
    const literal = `'"${publication.replaceAll('"', '""').replaceAll("'", "''")}"'`
    const options = `proto_version '1', publication_names ${literal}, messages 'true'`
    const started = new Promise<void>((resolve) => this.#wire.once('replicationStart', resolve))
    // This query only ends when the stream does.
    const ended = this.#client
      .query(`START_REPLICATION SLOT ${slotIdentifier(slot)} LOGICAL ${formatLsn(from)} (${options})`)
      .then(
        () => Promise.reject(new Error('The server ended the stream')),
        (error: unknown) => Promise.reject(error),
      )
    ended.catch((error: Error) => on.ended(error))
    await Promise.race([started, ended])
  }

  sendStatus(received: Lsn, flushed: Lsn, replyRequested: boolean): void {
    if (this.#open) this.#wire.sendCopyFromChunk(statusUpdate(received, flushed, Date.now(), replyRequested))
  }

  pause(): void {
    this.#wire.stream.pause()
  }

  resume(): void {
    this.#wire.stream.resume()
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    // While a stream runs the server reads no Terminate, and a paused socket would never see its end.
    this.#wire.stream.destroy()
    await this.#client.end().catch(() => {})
  }
}
