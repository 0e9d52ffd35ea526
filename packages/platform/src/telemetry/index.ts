/** What operators see: log lines and metrics. */
export { createLogDestination, type LogDestination } from './destination.ts'
export { inSpan } from './in-span.ts'
export { type LogFilesOptions, type Logs, openLogFiles } from './log-files.ts'
export { createLogger, type Logger, type LoggerOptions, type LogLevel } from './logger.ts'
export { createMetrics, type Metrics, SECONDS_BUCKETS } from './metrics.ts'
export { openTracing, type TracingOptions } from './open-tracing.ts'
export { type Attributes, noTracing, type Span, type SpanKind, type Tracing } from './tracing.ts'
