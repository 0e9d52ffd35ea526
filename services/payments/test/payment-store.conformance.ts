import type { NewEvent } from '@ashlar/platform/events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PaymentStore } from '../src/application/ports.ts'
import { postingsOf } from '../src/domain/ledger.ts'
import { change, newPayment, type Payment } from '../src/domain/payment.ts'
import { type Refund, reserveRefund, settleRefund } from '../src/domain/refund.ts'
import { leaseConformance } from './payment-store.leases.ts'

export type StoreUnderTest = {
  store: PaymentStore
  newId: () => string
  /** Runs work in an execution context, as a request would. */
  run: <T>(work: () => Promise<T>) => Promise<T>
  /** Short names of the events that wait for the relay about one payment, oldest first. */
  eventsAbout: (transactionId: string) => Promise<string[]>
  /** Makes the store unreachable until the answer is called. */
  outage: () => Promise<() => Promise<void>>
  /** Recognises the error that an unreachable store throws. */
  isUnavailable: (error: unknown) => boolean
  close: () => Promise<void>
}

/** What every store of payments must do, whatever it is made of. */
export const paymentStoreConformance = (name: string, open: () => Promise<StoreUnderTest>): void => {
  describe(`PaymentStore: ${name}`, () => {
    let under: StoreUnderTest
    let store: PaymentStore
    beforeAll(async () => {
      under = await open()
      store = under.store
    })
    afterAll(() => under.close())

    const t0 = new Date('2026-01-01T00:00:00.000Z')
    const make = (over: Partial<Payment> = {}): Payment => ({
      ...newPayment(
        {
          transactionId: under.newId(),
          userId: over.userId ?? under.newId(),
          money: { minor: 10_000n, currency: 'EUR' },
          method: 'paypal',
          description: 'Grüße 👋',
          metadata: { nested: { list: [1, 'zwei', null, true] } },
        },
        t0,
      ),
      ...over,
    })
    const event = (payment: Payment, type = 'payment.tested.v1'): NewEvent => ({
      type,
      subject: payment.transactionId,
      sequence: payment.version,
      data: {},
    })
    const insert = (payment: Payment) =>
      under.run(() => store.unitOfWork(async (tx) => tx.payments.insert(payment).then(() => payment)))
    const refundOf = (payment: Payment, minor: bigint, requestKey = under.newId()): Refund => ({
      id: under.newId(),
      transactionId: payment.transactionId,
      userId: payment.userId,
      money: { minor, currency: 'EUR' },
      status: 'pending',
      reason: null,
      failure: null,
      requestKey,
      createdAt: t0,
      updatedAt: t0,
    })
    const completed = async (): Promise<Payment> => {
      const payment = await insert(make())
      return under.run(() =>
        store.unitOfWork(async (tx) => {
          const processing = change(payment, { status: 'processing', attempts: 1 }, t0)
          await tx.payments.update(processing)
          const done = change(processing, { status: 'completed' }, t0)
          await tx.payments.update(done)
          return done
        }),
      )
    }

    test('gives back exactly what was stored', async () => {
      const payment = await insert(make({ money: { minor: 999_999_999_999n, currency: 'CLF' } }))
      expect(await store.find(payment.transactionId)).toEqual(payment)
      expect(await store.find(under.newId())).toBeUndefined()
    })

    test('a throw stores neither state nor event', async () => {
      const payment = make()
      const work = under.run(() =>
        store.unitOfWork(async (tx) => {
          await tx.payments.insert(payment)
          await tx.sources.keep(payment.transactionId, 'tok_x')
          await tx.outbox.append(event(payment))
          throw new Error('no')
        }),
      )
      await expect(work).rejects.toThrow('no')
      expect(await store.find(payment.transactionId)).toBeUndefined()
      expect(await store.source(payment.transactionId)).toBeUndefined()
      expect(await under.eventsAbout(payment.transactionId)).toEqual([])
    })

    test('a returned refusal commits state and event together', async () => {
      const payment = make()
      const answer = await under.run(() =>
        store.unitOfWork(async (tx) => {
          await tx.payments.insert(payment)
          await tx.outbox.append(event(payment))
          return { ok: false, error: 'refused' }
        }),
      )
      expect(answer).toEqual({ ok: false, error: 'refused' })
      expect(await store.find(payment.transactionId)).toEqual(payment)
      expect(await under.eventsAbout(payment.transactionId)).toEqual(['payment.tested.v1'])
    })

    test('a locked payment is changed by one at a time, each on the latest version', async () => {
      const payment = await insert(make())
      const bump = () =>
        under.run(() =>
          store.unitOfWork(async (tx) => {
            const locked = await tx.payments.lock(payment.transactionId)
            if (!locked) throw new Error('gone')
            const next = change(locked, { attempts: locked.attempts + 1 }, t0)
            await tx.payments.update(next)
            await tx.outbox.append(event(next, `payment.bumped.v${next.version}`))
          }),
        )
      await Promise.all(Array.from({ length: 20 }, bump))
      expect(await store.find(payment.transactionId)).toMatchObject({ attempts: 20, version: 21 })
      const order = Array.from({ length: 20 }, (_, index) => `payment.bumped.v${index + 2}`)
      expect(await under.eventsAbout(payment.transactionId)).toEqual(order)
    })

    test('a change that was decided on an old version is refused', async () => {
      const payment = await insert(make())
      const stale = change({ ...payment, version: 7 }, { attempts: 1 }, t0)
      await expect(under.run(() => store.unitOfWork((tx) => tx.payments.update(stale)))).rejects.toThrow()
      expect(await store.find(payment.transactionId)).toEqual(payment)
    })

    test('an idempotency key is reserved once, together with its effect', async () => {
      const use = { scope: `conformance ${under.newId()}`, key: 'k', fingerprint: 'f' }
      const response = { status: 201, headers: {}, body: Buffer.from('{"a":1}') }
      const once = () =>
        under.run(() =>
          store.unitOfWork(async (tx) => {
            const reservation = await tx.idempotency.reserve(use, 5_000)
            if (reservation.state !== 'reserved') return reservation.state
            await tx.payments.insert(make())
            await tx.idempotency.complete(use, response)
            return 'reserved'
          }),
        )
      const states = await Promise.all(Array.from({ length: 10 }, once))
      expect(states.filter((state) => state === 'reserved')).toHaveLength(1)
      expect(states.filter((state) => state === 'stored')).toHaveLength(9)

      const other = { ...use, fingerprint: 'another body' }
      const reused = await under.run(() => store.unitOfWork((tx) => tx.idempotency.reserve(other, 5_000)))
      expect(reused.state).toBe('reused')
    })

    test('a key whose unit of work threw can be used again', async () => {
      const use = { scope: `conformance ${under.newId()}`, key: 'k', fingerprint: 'f' }
      const failing = under.run(() =>
        store.unitOfWork(async (tx) => {
          await tx.idempotency.reserve(use, 5_000)
          throw new Error('crash')
        }),
      )
      await expect(failing).rejects.toThrow('crash')
      const again = await under.run(() => store.unitOfWork((tx) => tx.idempotency.reserve(use, 5_000)))
      expect(again.state).toBe('reserved')
    })

    test('a payment has at most one charge', async () => {
      const payment = await insert(make())
      const attempt = (id: string) => ({
        id,
        transactionId: payment.transactionId,
        requestKey: 'r',
        outcome: null,
        reference: null,
        startedAt: t0,
        settledAt: null,
      })
      const first = attempt(under.newId())
      await under.run(() => store.unitOfWork((tx) => tx.attempts.insert(first)))
      const second = under.run(() => store.unitOfWork((tx) => tx.attempts.insert(attempt(under.newId()))))
      await expect(second).rejects.toThrow()
      expect(await store.findAttempt(payment.transactionId)).toEqual(first)

      const settled = { ...first, outcome: 'succeeded' as const, reference: 'ref', settledAt: t0 }
      await under.run(() => store.unitOfWork((tx) => tx.attempts.settle(settled)))
      expect(await store.findAttempt(payment.transactionId)).toEqual(settled)
    })

    test('the store itself refuses refunds above the amount', async () => {
      const payment = await completed()
      const tooMuch = { ...payment, refundPendingMinor: 10_001n, version: payment.version + 1 }
      await expect(under.run(() => store.unitOfWork((tx) => tx.payments.update(tooMuch)))).rejects.toThrow()
      expect(await store.find(payment.transactionId)).toEqual(payment)
    })

    test('one request makes one refund, and its share follows its end', async () => {
      const payment = await completed()
      const refund = refundOf(payment, 6_000n)
      const reserved = reserveRefund(payment, 6_000n, t0)
      await under.run(() =>
        store.unitOfWork(async (tx) => {
          await tx.payments.update(reserved)
          await tx.refunds.insert(refund)
        }),
      )
      const twice = under.run(() =>
        store.unitOfWork((tx) => tx.refunds.insert(refundOf(payment, 1n, refund.requestKey))),
      )
      await expect(twice).rejects.toThrow()
      const found = await under.run(() =>
        store.unitOfWork((tx) => tx.refunds.byRequest(payment.transactionId, refund.requestKey)),
      )
      expect(found).toEqual(refund)

      const end = settleRefund(reserved, refund, { kind: 'succeeded', reference: 'ref' }, t0)
      await under.run(() =>
        store.unitOfWork(async (tx) => {
          await tx.payments.update(end.payment)
          await tx.refunds.settle(end.refund)
        }),
      )
      expect(await store.find(payment.transactionId)).toEqual(end.payment)
      expect(await store.findRefund(payment.transactionId, refund.id)).toEqual(end.refund)
    })

    test('a movement is posted with what it tells of or not at all, and once', async () => {
      const payment = await completed()
      const { transactionId, money } = payment
      const movement = { id: under.newId(), transactionId, kind: 'charge', money, at: t0 } as const
      const post = (fails = false) =>
        under.run(() =>
          store.unitOfWork(async (tx) => {
            await tx.ledger.post(movement)
            if (fails) throw new Error('no')
          }),
        )
      const postings = async () => {
        const all = await store.booked({ after: undefined, upTo: undefined })
        return all.find((each) => each.transactionId === transactionId)?.postings
      }
      await expect(post(true)).rejects.toThrow('no')
      expect(await postings()).toEqual([])
      await post()
      await expect(post()).rejects.toThrow()
      const expected = postingsOf(movement).map((posting) => ({ ...posting, intact: true }))
      expect(await postings()).toEqual(expect.arrayContaining(expected))
      expect(await postings()).toHaveLength(2)
    })

    test('payments are read with their movements page by page, in the order of their ids, each once', async () => {
      for (let index = 0; index < 3; index++) await insert(make())
      const all = (await store.booked({ after: undefined, upTo: undefined })).map(({ transactionId }) => transactionId)
      expect(all).toEqual([...all].sort())
      const seen: string[] = []
      let after: string | undefined
      do {
        const upTo = await store.pageEnd(after, 2)
        const page = await store.booked({ after, upTo })
        if (upTo !== undefined) expect(page).toHaveLength(2)
        seen.push(...page.map(({ transactionId }) => transactionId))
        after = upTo
      } while (after !== undefined)
      expect(seen).toEqual(all)
    })

    test('an event of a provider is heard once, and not when its effect was not stored', async () => {
      const id = under.newId()
      const hear = (fails = false) =>
        under.run(() =>
          store.unitOfWork(async (tx) => {
            const first = await tx.providerEvents.first('sandbox', id)
            if (fails) throw new Error('no')
            return first
          }),
        )
      await expect(hear(true)).rejects.toThrow('no')
      expect(await store.heard('sandbox', id)).toBe(false)
      const answers = await Promise.all(Array.from({ length: 8 }, () => hear()))
      expect(answers.filter(Boolean)).toHaveLength(1)
      expect(await store.heard('sandbox', id)).toBe(true)
      expect(await store.heard('stripe', id)).toBe(false)
    })

    test('keeps a source until it is dropped, the latest one', async () => {
      const payment = await insert(make())
      const id = payment.transactionId
      await under.run(() => store.unitOfWork((tx) => tx.sources.keep(id, 'tok_first')))
      await under.run(() => store.unitOfWork((tx) => tx.sources.keep(id, 'tok_second')))
      expect(await store.source(id)).toBe('tok_second')
      await under.run(() => store.unitOfWork((tx) => tx.sources.drop(id)))
      expect(await store.source(id)).toBeUndefined()
    })

    test('lists newest first, ties by id, page by page, nothing twice and nothing missed', async () => {
      const userId = under.newId()
      const all: Payment[] = []
      for (let index = 0; index < 7; index++) {
        const createdAt = new Date(t0.getTime() + Math.floor(index / 2))
        all.push(await insert(make({ userId, createdAt, updatedAt: createdAt })))
      }
      const expected = all
        .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (b.transactionId < a.transactionId ? -1 : 1))
        .map(({ transactionId }) => transactionId)
      const seen: string[] = []
      let after: { createdAt: Date; id: string } | undefined
      for (;;) {
        const page = await store.list({ userId }, { limit: 3, after })
        seen.push(...page.map(({ transactionId }) => transactionId))
        const last = page.at(-1)
        if (!last) break
        after = { createdAt: last.createdAt, id: last.transactionId }
      }
      expect(seen).toEqual(expected)
    })

    test('filters by everything it says it does; from is inclusive, to is not', async () => {
      const userId = under.newId()
      const later = new Date(t0.getTime() + 1_000)
      const a = await insert(make({ userId, money: { minor: 100n, currency: 'EUR' } }))
      const b = await insert(make({ userId, money: { minor: 200n, currency: 'JPY' }, method: 'debit_card' }))
      const c = await insert(make({ userId, status: 'canceled', createdAt: later, updatedAt: later }))
      const ids = async (filter: Parameters<PaymentStore['list']>[0]) =>
        (await store.list({ userId, ...filter }, { limit: 10 })).map(({ transactionId }) => transactionId).sort()
      const sorted = (...payments: Payment[]) => payments.map(({ transactionId }) => transactionId).sort()

      expect(await ids({ status: 'canceled' })).toEqual(sorted(c))
      expect(await ids({ method: 'debit_card' })).toEqual(sorted(b))
      expect(await ids({ currency: 'EUR' })).toEqual(sorted(a, c))
      expect(await ids({ from: later })).toEqual(sorted(c))
      expect(await ids({ to: later })).toEqual(sorted(a, b))
      expect(await ids({ currency: 'EUR', minMinor: 101n })).toEqual(sorted(c))
      expect(await ids({ currency: 'EUR', maxMinor: 100n })).toEqual(sorted(a))
      expect(await ids({ userId: under.newId() })).toEqual([])
    })

    leaseConformance(
      () => under,
      () => insert(make()),
    )

    test('an unreachable store says so and stores nothing; it works again afterwards', async () => {
      const payment = make()
      const restore = await under.outage()
      const failure = await insert(payment).catch((error: unknown) => error)
      await restore()
      expect(under.isUnavailable(failure)).toBe(true)
      expect(await store.find(payment.transactionId)).toBeUndefined()
      await insert(payment)
      expect(await store.find(payment.transactionId)).toEqual(payment)
    })
  })
}
