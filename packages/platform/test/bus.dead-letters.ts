import { expect, test } from 'vitest'
import type { Envelope } from '../src/events/index.ts'
import { eventually } from '../src/testing/index.ts'
import type { BusSuite } from './bus.conformance.ts'

export const deadLetterTests = (suite: () => BusSuite): void => {
  test('after the documented tries it is a dead letter with its error, its tries and its headers', async () => {
    const { runtime, bus, name, eventOf, read } = suite()
    let tries = 0
    await read(async () => {
      tries += 1
      throw new TypeError('cannot read this')
    })
    const event = eventOf('poison', { a: 1 })
    await bus.publish([event])
    const [letter] = await eventually(async () => {
      const letters = await bus.deadLetters.list()
      expect(letters).toHaveLength(1)
      return letters
    })
    expect(letter).toMatchObject({ subscription: name, event, attempts: 6, waiting: 0 })
    expect(letter?.error).toContain('cannot read this')
    expect(letter?.deadAt.getTime()).toBeGreaterThan(letter?.firstFailedAt.getTime() ?? Number.POSITIVE_INFINITY)
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(tries).toBe(6)
    await runtime.as(() => bus.deadLetters.discard(letter?.id ?? '', 'end of test'))
  })

  test('a dead letter parks its subject, the others flow; redrive delivers all of it in order, once', async () => {
    const { bus, eventOf, read } = suite()
    const seen: unknown[] = []
    let broken = true
    await read(async (event) => {
      if (event.subject === 'poison' && broken) throw new Error('poison')
      seen.push(event.data)
    })
    await bus.publish([eventOf('poison', 'p0'), eventOf('poison', 'p1'), ...others(0)])
    await eventually(async () => (await bus.deadLetters.list()).length === 1)
    await bus.publish([eventOf('poison', 'p2'), ...others(1)])
    await eventually(() => seen.length === 2_000)
    expect(seen.some((data) => String(data).startsWith('p'))).toBe(false)
    const [letter] = await eventually(async () => {
      const letters = await bus.deadLetters.list()
      expect(letters[0]?.waiting).toBe(2)
      return letters
    })

    broken = false
    const [first, second] = await Promise.all([
      bus.deadLetters.redrive(letter?.id ?? ''),
      bus.deadLetters.redrive(letter?.id ?? ''),
    ])
    expect([first, second].toSorted()).toEqual([0, 1])
    await bus.publish([eventOf('poison', 'p3')])
    await eventually(() => expect(seen.slice(2_000)).toEqual(['p0', 'p1', 'p2', 'p3']))
    expect(await bus.deadLetters.redrive('all')).toBe(0)
    expect(await bus.deadLetters.list()).toEqual([])

    function others(round: number): Envelope[] {
      return Array.from({ length: 1_000 }, (_, index) => eventOf(`other${index}`, round * 1_000 + index))
    }
  })

  test('the order of a subject holds while it is redriven and new events keep coming', async () => {
    const { bus, eventOf, read } = suite()
    const seen: number[] = []
    let broken = true
    await read(async (event) => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (broken && event.data === 0) throw new Error('poison')
      seen.push(event.data as number)
    })
    await bus.publish([eventOf('a', 0)])
    await eventually(async () => (await bus.deadLetters.list()).length === 1)
    const publishing = (async () => {
      for (let index = 1; index <= 150; index += 1) {
        await bus.publish([eventOf('a', index)])
        if (index === 40) {
          broken = false
          await bus.deadLetters.redrive('all')
        }
      }
    })()
    await publishing
    await eventually(() => seen.length === 151)
    expect(seen).toEqual(Array.from({ length: 151 }, (_, index) => index))
  })

  test('discard releases the subject and tells who did it and why; what was discarded never comes again', async () => {
    const { runtime, bus, name, eventOf, read } = suite()
    const seen: unknown[] = []
    const told: Envelope[] = []
    await read(async (event) => {
      if (event.data === 'bad') throw new Error('poison')
      seen.push(event.data)
    })
    const listener = await bus.subscribe({
      name: `${name}-told`,
      types: ['dead_letter.discarded.v1'],
      handle: async (event) => {
        if ((event.data as { subscription: string }).subscription === name) told.push(event)
      },
    })
    const bad = eventOf('a', 'bad')
    await bus.publish([bad, eventOf('a', 1), eventOf('a', 2)])
    const [letter] = await eventually(async () => {
      const letters = await bus.deadLetters.list()
      expect(letters[0]?.waiting).toBe(2)
      return letters
    })
    await expect(bus.deadLetters.discard(letter?.id ?? '', 'nobody did it')).rejects.toThrow('execution context')
    await runtime.as(() => bus.deadLetters.discard(letter?.id ?? '', 'typo at the source'), {
      type: 'cli',
      id: 'root',
    })
    await eventually(() => expect(seen).toEqual([1, 2]))
    await eventually(() =>
      expect(told.map((event) => event.data)).toEqual([
        { subscription: name, eventId: bad.id, reason: 'typo at the source', actor: 'cli:root' },
      ]),
    )
    await expect(runtime.as(() => bus.deadLetters.discard(letter?.id ?? '', 'again'))).rejects.toThrow('no dead letter')
    await bus.publish([eventOf('a', 3)])
    await eventually(() => expect(seen).toEqual([1, 2, 3]))
    await listener.stop()
  })

  test('discard and redrive from another process reach the reader', async () => {
    const { runtime, bus, connect, eventOf, read } = suite()
    const seen: unknown[] = []
    await read(async (event) => {
      if (event.data === 'bad') throw new Error('poison')
      seen.push(event.data)
    })
    await bus.publish([eventOf('a', 'bad'), eventOf('b', 'bad'), eventOf('a', 1), eventOf('b', 2)])
    await eventually(async () => (await bus.deadLetters.list()).length === 2)
    const console = await connect()
    for (const letter of await console.deadLetters.list()) {
      await runtime.as(() => console.deadLetters.discard(letter.id, 'by hand'))
    }
    await eventually(() => expect(seen.toSorted()).toEqual([1, 2]), 3_000)
  })
}
