/** What operators see: log lines and metrics. */
export { createLogDestination, type LogDestination } from './destination.ts'
export { createLogger, type Logger, type LoggerOptions, type LogLevel } from './logger.ts'
export { createMetrics, type Metrics } from './metrics.ts'
