import { createLogDestination, openLogFiles, openTracing } from '@ashlar/platform/telemetry'
import { loadConfiguration } from '../config.ts'
import { startServer } from '../main.ts'
import { type Command, EXIT } from './command.ts'
import { runtimeOf } from './session.ts'

/** A terminal's Ctrl-C under npm arrives twice within a millisecond: signals within this time are one wish. */
const SAME_SIGNAL_MS = 1_000

export const start: Command = {
  summary: 'start Ashlar and serve until it is told to stop',
  usage: ['ashlar start'],
  about: `Starts the embedded PostgreSQL of the data directory (made at the first start), brings the
databases to the newest schema and serves at ASHLAR_PUBLIC_URL. Logs go to standard output, one
JSON object a line, and to files where ASHLAR_LOG_DIR names a folder. Traces are exported where an
OTEL_EXPORTER_OTLP_ENDPOINT is named.

SIGTERM or Ctrl-C: every accepted request is answered, then everything is closed and the exit code
is 0. A second signal, more than a second later, ends at once.`,
  run: async (io) => {
    const configuration = loadConfiguration(io.env)
    const { logLevel, logDir, logDays } = configuration.core
    const logs = await openLogFiles(createLogDestination(1), { folder: logDir, days: logDays })
    const tracing = await openTracing(io.env, {
      onFailure: (error) => log.warn({ err: error }, 'traces could not be exported, trying again'),
    })
    const runtime = await runtimeOf(configuration, { level: logLevel, destination: logs }, tracing)
    const log = runtime.logger('gateway')

    let firstSignalAt: number | undefined
    let stopWanted: (reason: string) => void = () => {}
    const stopping = new Promise<string>((resolve) => {
      stopWanted = resolve
    })
    const onSignal = (signal: string): void => {
      if (firstSignalAt !== undefined && Date.now() - firstSignalAt > SAME_SIGNAL_MS) process.exit(EXIT.notSo)
      firstSignalAt ??= Date.now()
      stopWanted(signal)
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)

    const running = await startServer(configuration, runtime)
    const url = configuration.core.publicUrl
    log.info({ port: running.port, url }, 'Ashlar is ready')
    if (process.stderr.isTTY) io.note(`\n  Ashlar is ready: ${url}\n`)

    const reason = await stopping
    log.info({ reason }, 'stopping')
    await running.stop()
    log.info({}, 'stopped')
    await tracing.close()
    await logs.close()
    return EXIT.done
  },
}
