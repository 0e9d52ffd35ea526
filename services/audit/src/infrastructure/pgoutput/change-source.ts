import { createChangeReader, type ReaderOptions } from '@ashlar/platform/cdc'
import type { ChangeSource } from '../../application/ports.ts'

export type PgoutputSourceOptions = Omit<ReaderOptions, 'owner'> & { service: string }

/** Changes of one PostgreSQL database, read from its logical replication slot. */
export const createPgoutputSource = ({ service, ...options }: PgoutputSourceOptions): ChangeSource => {
  let reader: ReturnType<typeof createChangeReader> | undefined
  const started = () => {
    if (!reader) throw new Error(`The source ${service} was not started`)
    return reader
  }
  return {
    service,
    start(sink) {
      reader = createChangeReader({ ...options, owner: sink })
      reader.start()
    },
    ready: () => started().ready(),
    status() {
      if (!reader) return IDLE
      const { state, lagSeconds, silentSeconds, retainedBytes, retainedShare, error } = reader.status()
      return { streaming: state === 'streaming', lagSeconds, silentSeconds, retainedBytes, retainedShare, error }
    },
    probe: () => started().probe(),
    async stop() {
      await reader?.stop()
      reader = undefined
    },
  }
}

const IDLE = {
  streaming: false,
  lagSeconds: 0,
  silentSeconds: 0,
  retainedBytes: undefined,
  retainedShare: undefined,
  error: undefined,
}
