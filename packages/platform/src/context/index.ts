export {
  type Actor,
  type ContextStore,
  createContextStore,
  type ExecutionContext,
  formatActor,
  parseActor,
  serviceContext,
} from './context.ts'
export { childTraceparent, newTraceparent, type Trace, traceIdOf } from './trace.ts'
