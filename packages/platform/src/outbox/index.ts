export {
  createInbox,
  createOutbox,
  type HandledEvent,
  type Inbox,
  inboxInsert,
  type Outbox,
} from './outbox.ts'
export { pruneInbox } from './prune.ts'
export { createRelay, type Relay, type RelayOptions } from './relay.ts'
export { createWaker, sleep, type Waker } from './waker.ts'
