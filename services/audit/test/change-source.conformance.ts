import type { Change, Gap, Position } from '@ashlar/platform/cdc'
import { eventually } from '@ashlar/platform/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ChangeSink, ChangeSource } from '../src/application/ports.ts'

export type SourceUnderTest = {
  /** A new reader of the same changes, as after a restart of the process. */
  open(): ChangeSource
  /** Writes rows `from` to `to`, in this order, in one transaction; each becomes one change with this number in `after.number`. */
  write(from: number, to: number): Promise<void>
  /** Cuts the source's connection, or whatever it reads through, once. */
  cut(): Promise<void>
  /** Makes changes be lost for ever. The source is stopped while it runs. */
  lose(): Promise<void>
  close(): Promise<void>
}

/** What every source of changes promises. */
export const changeSourceConformance = (name: string, make: () => Promise<SourceUnderTest>): void => {
  describe(`ChangeSource: ${name}`, () => {
    let under: SourceUnderTest
    let next = 1
    let sink: ReturnType<typeof memorySink>

    beforeAll(async () => {
      under = await make()
      sink = memorySink()
    })
    afterAll(() => under.close())
    beforeEach(() => {
      sink.away = false
      sink.afterStore = async () => {}
    })

    const started = async (): Promise<ChangeSource> => {
      const source = under.open()
      source.start(sink)
      await source.ready()
      return source
    }

    const write = async (count: number): Promise<number[]> => {
      const numbers = Array.from({ length: count }, (_, index) => next + index)
      next += count
      await under.write(numbers[0] ?? 0, numbers.at(-1) ?? 0)
      return numbers
    }

    const expectStored = (numbers: number[]) =>
      eventually(() => {
        const wanted = new Set(numbers)
        const stored = sink.changes.map(({ after }) => Number(after?.number)).filter((number) => wanted.has(number))
        expect(stored).toEqual(numbers)
      }, 20_000)

    test('every change arrives, in commit order', async () => {
      const source = await started()
      const numbers = [...(await write(1)), ...(await write(500)), ...(await write(1))]
      await expectStored(numbers)
      await eventually(() => expect(source.status()).toMatchObject({ streaming: true, lagSeconds: 0 }))
      await source.stop()
    })

    test('what happened while nobody read arrives later', async () => {
      const numbers = await write(50)
      const source = await started()
      await expectStored(numbers)
      await source.stop()
    })

    test('nothing is lost or changes its id when the connection is cut in the middle', async () => {
      const source = await started()
      let stores = 0
      sink.afterStore = async () => {
        stores += 1
        if (stores % 3 === 1) await under.cut()
      }
      const numbers = [...(await write(700)), ...(await write(700))]
      await expectStored(numbers)
      await source.stop()
    })

    test('what the sink could not store comes again, also to another reader', async () => {
      const source = await started()
      sink.away = true
      const numbers = await write(40)
      await eventually(() => expect(source.status().error).toBeDefined())
      await source.stop()
      sink.away = false
      const again = await started()
      await expectStored(numbers)
      await again.stop()
    })

    test('a loss is told before anything else, and a snapshot follows', async () => {
      const before = sink.changes.length
      await under.lose()
      const source = await started()
      expect(sink.gaps).toHaveLength(1)
      const after = sink.changes.slice(before)
      expect(after.length).toBeGreaterThan(0)
      expect(after.every(({ operation }) => operation === 'snapshot')).toBe(true)
      const numbers = await write(3)
      await expectStored(numbers)
      await source.stop()
    })
  })
}

/** Stores each id once, as the trail does. */
const memorySink = () => {
  const known = new Set<string>()
  let position: Position | undefined
  const sink = {
    changes: [] as Change[],
    gaps: [] as Gap[],
    away: false,
    afterStore: async () => {},
    prepare: () => {},
    position: async () => position,
    async store(changes: readonly Change[], through: Position | undefined) {
      if (sink.away) throw new Error('The store is away')
      for (const change of changes) {
        if (known.has(change.id)) continue
        known.add(change.id)
        sink.changes.push(change)
      }
      if (through) position = through
      await sink.afterStore()
    },
    async gap(gap: Gap, from: Position) {
      sink.gaps.push(gap)
      position = from
    },
  } satisfies ChangeSink & Record<string, unknown>
  return sink
}
