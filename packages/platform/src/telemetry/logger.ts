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
  /** Stdout without it. */
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
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
      // The values are plain by the time a serializer would see them.
      serializers: { err: (value: unknown) => value },
      mixin: fromContext,
      formatters: {
        level: (label) => ({ level: label === 'fatal' ? 'error' : label === 'trace' ? 'debug' : label }),
        log: (fields) => rename(redactFields(fields, allowed)),
      },
    },
    destination ?? pino.destination(1),
  )

  // Children are made without the parent's formatters: what is bound to one would go past the allow-list. They
  // inherit these two methods, and with them the list.
  const { child, setBindings } = logger
  logger.child = function (this: Logger, bindings: Bindings, options?: ChildLoggerOptions) {
    const level = options?.level === undefined ? {} : { level: options.level }
    return child.call(this, rename(redactFields(bindings, allowed)), level)
  } as typeof logger.child
  logger.setBindings = function (this: Logger, bindings: Bindings) {
    setBindings.call(this, rename(redactFields(bindings, allowed)))
  }
  return logger
}

const OWN: readonly string[] = ['timestamp', 'level', 'service', 'message']

/** A field called like one of the line's own would be a second member of that name, and readers take the last. */
const rename = (fields: Record<string, unknown>): Record<string, unknown> =>
  OWN.some((name) => Object.hasOwn(fields, name))
    ? Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [OWN.includes(name) ? `${name}Field` : name, value]),
      )
    : fields
