import { newTraceparent } from '@ashlar/platform/context'
import { expect, test } from 'vitest'
import type { NewLease } from '../src/application/ports.ts'
import type { Payment } from '../src/domain/payment.ts'
import type { StoreUnderTest } from './payment-store.conformance.ts'

/** Leases: one owner per attempt, by the store's own clock. `inserted` makes a payment to lease an attempt of. */
export const leaseConformance = (open: () => StoreUnderTest, inserted: () => Promise<Payment>): void => {
  const openLease = async (over: Partial<NewLease> = {}): Promise<NewLease> => {
    const { transactionId } = await inserted()
    const lease: NewLease = {
      attemptId: open().newId(),
      kind: 'charge',
      transactionId,
      owner: open().newId(),
      leaseMs: 0,
      requestId: 'request-1',
      traceparent: newTraceparent(),
      ...over,
    }
    await open().run(() => open().store.unitOfWork((tx) => tx.leases.open(lease)))
    return lease
  }
  const claimAll = async (owner: string, leaseMs = 60_000) => await open().store.claimDue(owner, leaseMs, 100)

  test('a due attempt is claimed by one of many, a held one by nobody', async () => {
    const { attemptId, requestId, traceparent, transactionId } = await openLease()
    const held = await openLease({ leaseMs: 60_000 })
    const owners = Array.from({ length: 8 }, () => open().newId())
    const claims = (await Promise.all(owners.map((owner) => claimAll(owner)))).flat()
    const mine = claims.filter((claim) => claim.attemptId === attemptId)
    expect(mine).toHaveLength(1)
    expect(mine[0]).toMatchObject({ kind: 'charge', transactionId, requestId, traceparent, looks: 1 })
    expect(mine[0]?.ageMs).toBeGreaterThanOrEqual(0)
    expect(claims.some((claim) => claim.attemptId === held.attemptId)).toBe(false)
  })

  test('a postponed attempt comes back when it is due, and only its owner can postpone it', async () => {
    const { attemptId } = await openLease()
    const me = open().newId()
    await claimAll(me)
    await open().store.postpone(attemptId, open().newId(), 0)
    expect((await claimAll(open().newId())).some((claim) => claim.attemptId === attemptId)).toBe(false)
    await open().store.postpone(attemptId, me, 60_000)
    expect((await claimAll(open().newId())).some((claim) => claim.attemptId === attemptId)).toBe(false)
    await open().store.postpone(attemptId, me, 0)
    const again = (await claimAll(open().newId())).find((claim) => claim.attemptId === attemptId)
    expect(again?.looks).toBe(2)
  })

  test('leases of dead owners are due at once, those of living ones stay', async () => {
    const dead = await openLease({ leaseMs: 60_000 })
    const alive = await openLease({ leaseMs: 60_000 })
    const forfeited = await open().store.forfeit((owner) => owner !== dead.owner)
    expect(forfeited).toBe(1)
    const claimed = (await claimAll(open().newId())).map(({ attemptId }) => attemptId)
    expect(claimed).toContain(dead.attemptId)
    expect(claimed).not.toContain(alive.attemptId)
  })

  test('a closed attempt is never claimed again', async () => {
    const { attemptId, owner } = await openLease()
    await open().run(() => open().store.unitOfWork((tx) => tx.leases.close(attemptId)))
    await open().store.postpone(attemptId, owner, 0)
    expect((await claimAll(open().newId())).some((claim) => claim.attemptId === attemptId)).toBe(false)
  })
}
