export {
  createInbox,
  createOutbox,
  type HandledEvent,
  type Inbox,
  type Outbox,
} from './outbox.ts'
export { pruneInbox } from './prune.ts'
export { createRelay, type Relay, type RelayOptions } from './relay.ts'
export { createWaker, paceMs, sleep, type Waker } from './waker.ts'
