export {
  type Bus,
  DEFAULT_RETRY,
  type DeadLetter,
  type DeadLetters,
  type RetryPolicy,
  type SubscribeOptions,
  type Subscription,
} from './bus.ts'
export { type ConsumeOptions, consume } from './consume.ts'
export { deadLetterDiscarded } from './contract.ts'
export { grantBus } from './postgres/grants.ts'
export { type BusHub, createBusHub } from './postgres/hub.ts'
export { busMigrations, createPostgresBus, type PostgresBusOptions } from './postgres/postgres-bus.ts'
export { pruneBus } from './postgres/prune.ts'
export { type BusRetentionOptions, createBusRetention } from './postgres/retention.ts'
