import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { DestinationStream } from 'pino'
import { ConfigurationError } from '../config/index.ts'
import type { LogDestination } from './destination.ts'
import { createLogger } from './logger.ts'

export type LogFilesOptions = {
  /** Made where it is not there; undefined for no files. */
  folder: string | undefined
  /** Days that are kept beside today. */
  days: number
}

export type Logs = DestinationStream & {
  /** Writes what is held everywhere. */
  close(): Promise<void>
}

const NAMES = ['combined', 'error'] as const

/**
 * Lines for `output` that also go to files where a folder is given: all to `combined.log`, errors and warnings to
 * `error.log` too. Throws ConfigurationError where they cannot be written now; what happens to them later is told once
 * in `output`, and stops nobody.
 */
export const openLogFiles = async (output: LogDestination, { folder, days }: LogFilesOptions): Promise<Logs> => {
  if (folder === undefined) return { write: output.write, close: async () => output.close() }
  await tryFolder(folder)
  const { createLogFile } = await import('./log-file.ts')
  const log = createLogger({ service: 'gateway-service', destination: output })
  const onFailure = (file: string, error: unknown): void =>
    log.error(
      { file: join(folder, file), err: error },
      'the log file cannot be written; lines are kept and tried again',
    )
  const [combined, errors] = NAMES.map((name) => createLogFile({ folder, name, days, onFailure }))

  return {
    write: (line) => {
      output.write(line)
      combined?.write(line)
      if (URGENT.test(line)) errors?.write(line)
    },
    close: async () => {
      await Promise.all([combined?.close(), errors?.close()])
      output.close()
    },
  }
}

/** The level is what a line begins with. */
const URGENT = /^\{"level":"(?:error|warn)"/

const tryFolder = async (folder: string): Promise<void> => {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const name of NAMES) await (await open(join(folder, `${name}.log`), 'a', 0o600)).close()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigurationError([`ASHLAR_LOG_DIR: log files cannot be written to ${folder} (${code})`])
  }
}
