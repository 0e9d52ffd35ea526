/** The HTTP side of a service: its server, and what its handlers take and give. Contracts are stated with `contract`. */
export * from '../contract/index.ts'
export { answer } from './answer.ts'
export { buildOpenApi, mergeOpenApi } from './openapi.ts'
export type { HttpServerOptions, Operations, RequestLimits } from './options.ts'
export { ifMatch } from './precondition.ts'
export { renderProblem } from './problem.ts'
export { type CountRequest, createRequestMetrics, methodLabel } from './request-metrics.ts'
export { createHttpServer } from './server.ts'
export type { SocketLimits } from './sockets.ts'
export type {
  Authenticator,
  Caller,
  Cursors,
  DependencyHealth,
  FieldError,
  Handler,
  HandlerInput,
  Handlers,
  HealthReport,
  HttpResponse,
  HttpServer,
  Origin,
  Progress,
  Refusal,
} from './types.ts'
