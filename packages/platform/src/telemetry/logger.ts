import { type Bindings, type ChildLoggerOptions, type DestinationStream, type Logger as PinoLogger, pino } from 'pino'
import { type ContextStore, traceIdOf } from '../context/index.ts'
import { allowedFields } from './fields.ts'
import { redactFields } from './redact.ts'

export type Logger = PinoLogger

export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

export type LoggerOptions = {
  /** As it stands in the lines: `auth-service`. */
  service: string
  /** `error`, `warn`, `info` (default), `debug`, or `silent`. */
  level?: string
  /** Where each line finds its correlation id, trace and user. */
  context?: ContextStore
  /** Stdout without it, each line written at once. */
  destination?: DestinationStream
  /** Further field names that may be printed. */
  allow?: readonly string[]
}

/**
 * One JSON object a line: `timestamp`, `level` (error, warn, info, debug), `service`, `message`, `correlationId`,
 * `traceId`, `userId`, and those fields that the allow-list names. Errors are reduced to name, message and stack.
 */
export const createLogger = ({ service, level = 'info', context, destination, allow }: LoggerOptions): Logger => {
  const allowed = allowedFields(allow)

  const fromContext = (): Record<string, string> => {
    const current = context?.find()
    if (!current) return {}
    const { requestId: correlationId, traceparent, actor } = current
    const ids: Record<string, string> = { correlationId, traceId: traceIdOf(traceparent) }
    if (actor.type === 'user') ids.userId = actor.id
    return ids
  }

  const logger = pino(
    {
      level,
      base: { service },
      messageKey: 'message',
      errorKey: 'err',
      timestamp: createTimestamp(),
      // The values are plain by the time a serializer would see them.
      serializers: { err: (value: unknown) => value },
      // A line that brings its ids, as those of requests do, is not looked up again.
      mixin: (fields) => ('correlationId' in fields ? NOTHING : fromContext()),
      mixinMergeStrategy: (fields: object, mixed: object) => (mixed === NOTHING ? fields : { ...mixed, ...fields }),
      formatters: {
        level: (label) => ({ level: label === 'fatal' ? 'error' : label === 'trace' ? 'debug' : label }),
        log: (fields) => redactLine(fields, allowed),
      },
    },
    destination ?? pino.destination(1),
  )

  // Children are made without the parent's formatters: what is bound to one would go past the allow-list. They
  // inherit these two methods, and with them the list.
  const { child, setBindings } = logger
  logger.child = function (this: Logger, bindings: Bindings, options?: ChildLoggerOptions) {
    const level = options?.level === undefined ? {} : { level: options.level }
    return child.call(this, redactLine(bindings, allowed), level)
  } as typeof logger.child
  logger.setBindings = function (this: Logger, bindings: Bindings) {
    setBindings.call(this, redactLine(bindings, allowed))
  }
  return logger
}

const NOTHING = Object.freeze({})

const OWN: readonly string[] = ['timestamp', 'level', 'service', 'message']

/** A field called like one of the line's own would be a second member of that name, and readers take the last. */
const redactLine = (fields: object, allowed: ReadonlySet<string>): Record<string, unknown> => {
  const line = redactFields(fields, allowed)
  for (const name of OWN) {
    if (!Object.hasOwn(line, name)) continue
    line[`${name}Field`] = line[name]
    delete line[name]
  }
  return line
}

/** The time as a member of the line. Under load many lines fall into one millisecond, and its text is made once. */
const createTimestamp = (): (() => string) => {
  let atMs = Number.NaN
  let member = ''
  return () => {
    const nowMs = Date.now()
    if (nowMs !== atMs) {
      atMs = nowMs
      member = `,"timestamp":"${new Date(nowMs).toISOString()}"`
    }
    return member
  }
}
