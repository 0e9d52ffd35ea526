/** What a contract is stated with: no server, no I/O, fit for a client's bundle. */
export { type CommonCode, commonErrors, defineErrors, type ErrorDefinition, type ErrorTable } from './errors.ts'
export {
  type Access,
  content,
  defineRoute,
  isRawContent,
  type Method,
  type RawContent,
  type RouteLimit,
  type RouteSpec,
  type Routes,
} from './route.ts'
export { pageOf, pageQuery, problem, timeBound, timestamp, uuid } from './wire.ts'
