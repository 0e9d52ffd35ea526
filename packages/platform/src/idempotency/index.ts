/** One effect per idempotency key, and the same answer to every repeat. */
export { canonicalJson, fingerprint } from './canonical.ts'
export { createIdempotency, isKept } from './guard.ts'
export { createIdempotencyKeys, KeyBusy, pruneIdempotencyKeys } from './keys.ts'
export type {
  Idempotency,
  IdempotencyCode,
  IdempotencyKeys,
  IdempotencyRefusal,
  KeyUse,
  Lease,
  Reservation,
  StoredResponse,
} from './types.ts'
