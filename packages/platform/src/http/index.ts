/** The HTTP side of a service: its server, and what its handlers take and give. Contracts are stated with `contract`. */
export * from '../contract/index.ts'
export { answer, finalResponse } from './answer.ts'
export { decodeCursor, encodeCursor } from './cursor.ts'
export { buildOpenApi, mergeOpenApi } from './openapi.ts'
export { type HttpServerOptions, type Operations, type RequestLimits, requestLimits } from './options.ts'
export { Refused, renderProblem } from './problem.ts'
export { type CountRequest, createRequestMetrics, methodLabel } from './request-metrics.ts'
export { createHttpServer } from './server.ts'
export { type SocketLimits, socketLimits } from './sockets.ts'
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
