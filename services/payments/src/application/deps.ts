import type { Clock, NewId } from '@ashlar/kernel'
import type { ContextStore } from '@ashlar/platform/context'
import type { Faults } from '@ashlar/platform/runtime'
import type { Patience } from '../domain/attempt.ts'
import type { PaymentStore } from './ports.ts'
import type { PaymentProvider } from './provider.ts'

/** What use cases that call the provider need. */
export type ProviderDeps = {
  store: PaymentStore
  /** Absent where none is configured: charges and refunds are then refused. */
  provider: PaymentProvider | undefined
  clock: Clock
  newId: NewId
  context: ContextStore
  faults: Faults
  /** The owner of the leases that this process takes. */
  instanceId: string
  patience: Patience
  /** Keyed hash of caller and idempotency key: remembers a request without keeping its text. */
  requestKey: (userId: string, key: string) => string
}

/** A lease outlives every provider call made under it, with room for the transaction that settles. */
export const LEASE_MARGIN_MS = 5_000
