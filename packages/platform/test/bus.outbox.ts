import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { consume } from '../src/bus/index.ts'
import type { Envelope } from '../src/events/index.ts'
import { createRelay } from '../src/outbox/index.ts'
import { createUnitOfWork, openDatabase, Session } from '../src/postgres/index.ts'
import { eventually, type TestDatabase, testDatabase } from '../src/testing/index.ts'
import type { BusSuite } from './bus.conformance.ts'
import { sampleMigrations } from './sample.ts'

export const outboxTests = (suite: () => BusSuite): void => {
  describe('with an outbox and an inbox', () => {
    let store: TestDatabase
    let other: TestDatabase
    beforeAll(async () => {
      store = await testDatabase('auth', sampleMigrations)
      other = await testDatabase('payments', { ...sampleMigrations, service: 'payments' })
    })
    afterAll(async () => {
      await store.close()
      await other.close()
    })

    const openService = ({ runtime, bus }: BusSuite, service: 'auth' | 'payments' = 'auth') => {
      const { url } = service === 'auth' ? store : other
      const database = openDatabase<Record<string, never>>({ url, applicationName: 'conformance', runtime, service })
      const relay = createRelay({ database, bus, runtime, service })
      const unitOfWork = createUnitOfWork({
        database,
        runtime,
        service,
        repositories: () => ({}),
        onAppended: relay.wake,
      })
      return {
        relay,
        unitOfWork,
        close: async () => {
          await relay.stop()
          await bus.close()
          await database.close()
        },
      }
    }

    /** An outbox row whose transaction stays open until the answer is called. */
    const holdOpen = async (database: TestDatabase, envelope: Envelope): Promise<() => Promise<void>> => {
      const session = await Session.open({ url: database.adminUrl, applicationName: 'late', dependency: 'postgres' })
      await session.query('BEGIN')
      await session.query('INSERT INTO outbox (event_id, envelope) VALUES ($1, $2::json)', [
        envelope.id,
        JSON.stringify(envelope),
      ])
      return async () => {
        await session.query('COMMIT')
        await session.close()
      }
    }

    test('rows held open in this and in another database hold up nothing: 10,000 later commits are each handled within 2 s', async () => {
      const { runtime, bus, name, type, eventOf } = suite()
      const writer = openService(suite())
      const reader = openService(suite(), 'payments')
      const numberOf = new Map<string, number>()
      const late: unknown[] = []
      const handledAt: number[] = []
      await consume({
        bus,
        // What counts is the commit of the effects, not the call of the handler.
        unitOfWork: async (work, event) => {
          const value = await reader.unitOfWork(work, event)
          const number = numberOf.get(event?.eventId ?? '')
          if (number !== undefined) handledAt[number] = performance.now()
          return value
        },
        runtime,
        service: 'payments',
        name,
        types: [type],
        handle: async (event) => {
          if (typeof event.data === 'number') numberOf.set(event.id, event.data)
          else late.push(event.data)
        },
      })
      writer.relay.start()
      reader.relay.start()
      const commitHere = await holdOpen(store, eventOf('late', 'here'))
      const commitThere = await holdOpen(other, eventOf('late', 'there'))

      const begunAt: number[] = []
      let next = 0
      const write = async (): Promise<void> => {
        for (let index = next++; index < 10_000; index = next++) {
          begunAt[index] = performance.now()
          await runtime.as(() =>
            writer.unitOfWork((tx) => tx.outbox.append({ type, subject: `s${index % 1_000}`, data: index })),
          )
        }
      }
      await Promise.all(Array.from({ length: 8 }, write))
      await eventually(() => expect(Object.keys(handledAt)).toHaveLength(10_000))
      expect(Math.max(...handledAt.map((at, index) => at - (begunAt[index] ?? 0)))).toBeLessThan(2_000)
      expect(late).toEqual([])

      await commitHere()
      await eventually(() => expect(late).toEqual(['here']))
      await commitThere()
      await eventually(() => expect(late).toEqual(['here', 'there']))
      await reader.relay.stop()
      await writer.close()
      await reader.close()
      const [inbox] = await other.sql('SELECT count(*)::int FROM inbox WHERE subscription = $1', [name])
      expect(inbox).toEqual({ count: 10_002 })
    }, 120_000)

    test('effects happen once although connections break at every step', async () => {
      const { harness, runtime, bus, name, type } = suite()
      const service = openService(suite())
      service.relay.start()
      for (const point of [
        'auth.relay.published',
        'bus.handled',
        'bus.fail.before',
        'bus.fail.after',
        'bus.settle.before',
      ]) {
        runtime.faults.throwAt(point, { times: 2 })
      }
      const failed = new Set<string>()
      await consume({
        bus,
        unitOfWork: service.unitOfWork,
        runtime,
        service: 'auth',
        name,
        types: [type],
        handle: async (event, tx) => {
          await tx.db
            .insertInto('notes')
            .values({ text: `${name} ${event.subject} ${event.data}` })
            .execute()
          if ((event.data as number) % 17 === 0 && !failed.has(event.id)) {
            failed.add(event.id)
            throw new Error('once')
          }
        },
      })
      for (let index = 0; index < 120; index += 1) {
        await runtime.as(() =>
          service.unitOfWork((tx) => tx.outbox.append({ type, subject: `s${index % 4}`, data: index })),
        )
        if (index % 40 === 20) {
          await harness.cut()
          await store.cutConnections()
          await new Promise((resolve) => setTimeout(resolve, 30))
        }
      }
      const rows = () =>
        store.sql<{ text: string }>('SELECT text FROM notes WHERE text LIKE $1 ORDER BY id', [`${name} %`])
      await eventually(async () => (await rows()).length >= 120, 15_000)
      const numbers = (await rows()).map(({ text }) => text.split(' ').slice(1) as [string, string])
      expect(numbers).toHaveLength(120)
      for (const subject of ['s0', 's1', 's2', 's3']) {
        const own = numbers.filter(([of]) => of === subject).map(([, number]) => Number(number))
        expect(own).toEqual(own.toSorted((a, b) => a - b))
      }
      await service.close()
    })
  })
}
