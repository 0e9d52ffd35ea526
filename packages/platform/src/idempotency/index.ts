/** One effect per idempotency key, and the same answer to every repeat. */
export { fingerprint } from './fingerprint.ts'
export { createIdempotency } from './guard.ts'
export { createIdempotencyKeys, pruneIdempotencyKeys } from './keys.ts'
export type {
  Idempotency,
  IdempotencyCode,
  IdempotencyKeys,
  IdempotencyRefusal,
  KeyedTx,
  KeyUse,
  Lease,
  Reservation,
  StoredResponse,
} from './types.ts'
