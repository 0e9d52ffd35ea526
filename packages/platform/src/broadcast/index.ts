export { type Broadcast, createBroadcast, type Subscriber } from './broadcast.ts'
