import { openDatabase } from '@ashlar/platform/postgres'
import { sql } from 'kysely'
import { runningSession } from '../commands/session.ts'

export type EventLog = {
  /** The types of the events that a request caused, in the order of the bus. */
  typesOf(requestId: string): Promise<string[]>
  close(): Promise<void>
}

/** Reads the bus of the running Ashlar as its operator may. */
export const openEventLog = async (env: NodeJS.ProcessEnv): Promise<EventLog> => {
  const { runtime, stores } = await runningSession(env)
  const database = openDatabase<object>({
    url: stores.url('bus', 'admin'),
    max: 1,
    applicationName: 'ashlar-tour',
    runtime,
    service: 'bus',
  })
  return {
    typesOf: async (requestId) => {
      const { rows } = await sql<{ type: string }>`
        SELECT type FROM events WHERE envelope ->> 'correlationid' = ${requestId} ORDER BY position
      `.execute(database.db)
      return rows.map(({ type }) => type)
    },
    close: () => database.close(),
  }
}
