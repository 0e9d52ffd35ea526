import { ok } from '@ashlar/kernel'
import { expect, test } from 'vitest'
import type { UnitOfWork } from '../postgres/index.ts'
import { testRuntime } from '../testing/index.ts'
import { createIdempotency, type KeyedTx, type StoredResponse } from './index.ts'

test('a store joins with nothing but keys in its transactions', async () => {
  const kept = new Map<string, StoredResponse>()
  const unitOfWork: UnitOfWork<KeyedTx> = (work) =>
    work({
      idempotency: {
        reserve: async ({ key }) => {
          const response = kept.get(key)
          return response ? { state: 'stored', response } : { state: 'reserved' }
        },
        acquire: async () => ({ state: 'running' }),
        complete: async ({ key }, response) => Boolean(kept.set(key, response)),
        release: async () => undefined,
      },
    })
  const idempotency = createIdempotency({
    use: { scope: 's', key: 'k', fingerprint: 'f' },
    mode: 'transaction',
    render: () => ({ status: 201, headers: {}, body: Buffer.from('"made"') }),
    lease: { owner: 'o', seconds: 30, ownerAlive: () => true },
    waitMs: 100,
    logger: testRuntime().logger('payments'),
  })
  let runs = 0
  const make = () =>
    idempotency.inTransaction(
      unitOfWork,
      (within) => within(async () => ok(++runs)),
      (value) => ({ status: 201, body: value }),
    )
  const first = await make()
  const repeat = await make()
  expect(runs).toBe(1)
  expect([first.ok && first.value.status, repeat.ok && repeat.value.status]).toEqual([201, 201])
  expect(repeat.ok && repeat.value.headers).toMatchObject({ 'idempotent-replayed': 'true' })
})
