import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { consume } from '../src/bus/index.ts'
import { createRelay } from '../src/outbox/index.ts'
import { createUnitOfWork, openDatabase } from '../src/postgres/index.ts'
import { eventually, type TestDatabase, testDatabase } from '../src/testing/index.ts'
import type { BusSuite } from './bus.conformance.ts'
import { sampleMigrations } from './sample.ts'

export const outboxTests = (suite: () => BusSuite): void => {
  describe('with an outbox and an inbox', () => {
    let store: TestDatabase
    beforeAll(async () => {
      store = await testDatabase('auth', sampleMigrations)
    })
    afterAll(() => store.close())

    const openService = ({ runtime, bus }: BusSuite) => {
      const database = openDatabase<Record<string, never>>({
        url: store.url,
        applicationName: 'conformance',
        runtime,
        service: 'auth',
      })
      const relay = createRelay({ database, bus, runtime, service: 'auth' })
      const unitOfWork = createUnitOfWork({
        database,
        runtime,
        service: 'auth',
        repositories: () => ({}),
        afterCommit: relay.wake,
      })
      return {
        database,
        relay,
        unitOfWork,
        close: async () => {
          await relay.stop()
          await bus.close()
          await database.close()
        },
      }
    }

    test('a transaction that commits late is found, and holds up nothing: 10,000 later events within 2 s', async () => {
      const { runtime, type, read } = suite()
      const service = openService(suite())
      const commits: number[] = []
      const seenAt: number[] = []
      let late = 0
      await read(async (event) => {
        if (event.data === 'late') late += 1
        else seenAt[event.data as number] = performance.now()
      })
      service.relay.start()
      const gate = Promise.withResolvers<void>()
      const begun = Promise.withResolvers<void>()
      const open = runtime.as(() =>
        service.unitOfWork(async (tx) => {
          await tx.outbox.append({ type, subject: 'late', data: 'late' })
          begun.resolve()
          await gate.promise
        }),
      )
      await begun.promise
      for (let from = 0; from < 10_000; from += 100) {
        await runtime.as(() =>
          service.unitOfWork((tx) =>
            tx.outbox.append(
              ...Array.from({ length: 100 }, (_, index) => ({ type, subject: `s${index}`, data: from + index })),
            ),
          ),
        )
        commits.push(performance.now())
      }
      await eventually(() => Object.keys(seenAt).length === 10_000)
      const worst = Math.max(...seenAt.map((at, index) => at - (commits[Math.floor(index / 100)] ?? 0)))
      expect(worst).toBeLessThan(2_000)
      expect(late).toBe(0)
      gate.resolve()
      await open
      await eventually(() => late === 1)
      await service.close()
    })

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
