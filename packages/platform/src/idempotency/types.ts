import type { Err, Ok } from '@ashlar/kernel'
import type { HttpResponse, Refusal } from '../http/types.ts'
import type { UnitOfWork } from '../postgres/index.ts'

export type IdempotencyCode = 'idempotency_key_required' | 'idempotency_key_reused' | 'request_in_progress'

/** Names one use of a key. `scope` is caller, method and path with its ids; `fingerprint` the hash of the canonical body. */
export type KeyUse = { scope: string; key: string; fingerprint: string }

/** An answer in its final bytes. */
export type StoredResponse = { status: number; headers: Record<string, string>; body: Buffer }

export type Reservation =
  | { state: 'reserved' }
  | { state: 'stored'; response: StoredResponse }
  | { state: 'running' }
  | { state: 'reused' }

export type Lease = { owner: string; seconds: number; ownerAlive: (owner: string) => boolean }

/** Idempotency keys within one transaction. */
export type IdempotencyKeys = {
  /** Reserves for this transaction, waiting for another one that holds the same key; throws `KeyBusy` after `waitMs`. */
  reserve(use: KeyUse, waitMs: number): Promise<Reservation>
  /** Takes the lease of a write that outlives this transaction, or says who has it or what came of it. */
  acquire(use: KeyUse, lease: Lease, waitMs: number): Promise<Reservation>
  /** Stores the answer; false when another owner has taken the lease over. */
  complete(use: KeyUse, response: StoredResponse, owner?: string): Promise<boolean>
  /** Forgets the key, so that it can be used again. */
  release(use: KeyUse, owner?: string): Promise<void>
}

/** All that is asked of a transaction here: any store whose transactions can keep keys may join. */
export type KeyedTx = { idempotency: IdempotencyKeys }

/** Given to the handlers of routes that ask for an idempotency key. */
export type Idempotency = {
  readonly key: string
  /**
   * For a write of one transaction: reserves the key, runs the use case with a unit of work that is this same
   * transaction, and stores the answer in it. A crash or a throw leaves nothing.
   */
  inTransaction<Tx extends KeyedTx, V, F extends Err<Refusal> = never>(
    unitOfWork: UnitOfWork<Tx>,
    run: (unitOfWork: UnitOfWork<Tx>) => Promise<Ok<V> | F>,
    respond: (value: V) => HttpResponse,
  ): Promise<Ok<HttpResponse> | F | Err<IdempotencyRefusal>>
  /** For a write that calls out: holds a lease while `run` works, and stores the answer afterwards. */
  leased<Tx extends KeyedTx, V, F extends Err<Refusal> = never>(
    unitOfWork: UnitOfWork<Tx>,
    run: (key: string) => Promise<Ok<V> | F>,
    respond: (value: V) => HttpResponse,
  ): Promise<Ok<HttpResponse> | F | Err<IdempotencyRefusal>>
}

export type IdempotencyRefusal = { code: IdempotencyCode; detail?: string; headers?: Record<string, string> }
