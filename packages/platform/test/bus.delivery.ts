import { expect, test } from 'vitest'
import type { Envelope } from '../src/events/index.ts'
import { DependencyUnavailable } from '../src/postgres/index.ts'
import { eventually } from '../src/testing/index.ts'
import type { BusSuite } from './bus.conformance.ts'

export const deliveryTests = (suite: () => BusSuite): void => {
  test('an event arrives as it was published, and other types do not', async () => {
    const { bus, eventOf, read } = suite()
    const seen: Envelope[] = []
    await read(async (event) => void seen.push(event))
    const event = eventOf('a', { text: 'schön \u0000 "quoted"', nested: [1, null] }, { sequence: 3 })
    await bus.publish([eventOf('a', {}, { type: 'another.thing.v1' }), event])
    await eventually(() => expect(seen).toEqual([event]))
  })

  test('a new subscription begins with the oldest event that is kept', async () => {
    const { bus, eventOf, read } = suite()
    await bus.publish([eventOf('a', 1), eventOf('a', 2)])
    const seen: unknown[] = []
    await read(async (event) => void seen.push(event.data))
    await eventually(() => expect(seen).toEqual([1, 2]))
  })

  test('events of one subject are handled one after the other in their order, those of others in parallel', async () => {
    const { bus, eventOf, read } = suite()
    const seen = new Map<string, number[]>()
    const running = new Set<string>()
    let most = 0
    await read(async (event) => {
      expect(running.has(event.subject)).toBe(false)
      running.add(event.subject)
      most = Math.max(most, running.size)
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 4))
      running.delete(event.subject)
      seen.set(event.subject, [...(seen.get(event.subject) ?? []), event.data as number])
    })
    const events = Array.from({ length: 300 }, (_, index) => eventOf(`s${index % 10}`, index))
    for (let from = 0; from < events.length; from += 50) await bus.publish(events.slice(from, from + 50))
    await eventually(() => [...seen.values()].flat().length === 300)
    for (const numbers of seen.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(most).toBeGreaterThan(4)
    expect(most).toBeLessThanOrEqual(16)
  })

  test('a slow event holds up nobody but its own subject', async () => {
    const { bus, eventOf, read } = suite()
    const seen: string[] = []
    const gate = Promise.withResolvers<void>()
    await read(async (event) => {
      if (event.subject === 'slow') await gate.promise
      seen.push(event.subject)
    })
    await bus.publish([eventOf('slow'), ...Array.from({ length: 50 }, (_, index) => eventOf(`quick${index}`))])
    await eventually(() => seen.length === 50)
    gate.resolve()
    await eventually(() => seen.at(-1) === 'slow')
  })

  test('an event whose handler throws is delivered again, before the later ones of its subject', async () => {
    const { bus, eventOf, read } = suite()
    const seen: unknown[] = []
    let failures = 2
    await read(async (event) => {
      if (event.data === 1 && failures-- > 0) throw new Error('not now')
      seen.push(event.data)
    })
    await bus.publish([eventOf('a', 1), eventOf('a', 2), eventOf('a', 3)])
    await eventually(() => expect(seen).toEqual([1, 2, 3]))
    expect(await bus.deadLetters.list()).toEqual([])
  })

  test('a handler that hangs has failed after its time: it is tried again, then dead, and its subject goes on', async () => {
    const { runtime, bus, name, type, eventOf } = suite()
    const seen: unknown[] = []
    const tries: unknown[] = []
    await bus.subscribe({
      name,
      types: [type],
      timeoutMs: 60,
      handle: async (event) => {
        tries.push(event.data)
        if (event.data === 'hangs' || (event.data === 'hangs once' && tries.length === 1)) await new Promise(() => {})
        seen.push(event.data)
      },
    })
    await bus.publish([eventOf('a', 'hangs once'), eventOf('a', 'next'), eventOf('b', 'other')])
    await eventually(() => expect(seen).toEqual(['other', 'hangs once', 'next']))
    await bus.publish([eventOf('a', 'hangs'), eventOf('a', 'behind')])
    const [letter] = await eventually(async () => {
      const letters = await bus.deadLetters.list()
      expect(letters).toHaveLength(1)
      return letters
    })
    expect(letter).toMatchObject({ attempts: 6, error: expect.stringContaining('took longer than 60 ms') })
    await runtime.as(() => bus.deadLetters.discard(letter?.id ?? '', 'it hangs'))
    await eventually(() => expect(seen.at(-1)).toBe('behind'))
    expect(tries.filter((data) => data === 'hangs')).toHaveLength(6)
  })

  test('the same event published twice, alone, in one batch or by two publishers, is delivered once', async () => {
    const { bus, connect, eventOf, read } = suite()
    const seen: string[] = []
    await read(async (event) => void seen.push(event.id))
    const event = eventOf('a')
    const other = await connect()
    await bus.publish([event, event])
    await bus.publish([event])
    await Promise.all([bus.publish([event]), other.publish([event])])
    const last = eventOf('a')
    await bus.publish([last])
    await eventually(() => expect(seen).toEqual([event.id, last.id]))
  })

  test('the position survives a restart: nothing twice after an orderly stop, nothing lost', async () => {
    const { bus, connect, eventOf, read } = suite()
    const seen: unknown[] = []
    const first = await read(async (event) => void seen.push(event.data))
    await bus.publish([eventOf('a', 1), eventOf('b', 2)])
    await eventually(() => seen.length === 2)
    await first.stop()
    await bus.publish([eventOf('a', 3)])
    const restarted = await connect()
    await read(async (event) => void seen.push(event.data), restarted)
    await eventually(() => expect(seen).toEqual([1, 2, 3]))
  })

  test('stop waits for the event that is being handled', async () => {
    const { bus, eventOf, read } = suite()
    const gate = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    let done = false
    const subscription = await read(async () => {
      begun.resolve()
      await gate.promise
      done = true
    })
    await bus.publish([eventOf('a')])
    await begun.promise
    setTimeout(gate.resolve, 50)
    await subscription.stop()
    expect(done).toBe(true)
  })

  test('two readers of one name share nothing twice, and one takes over when the other ends', async () => {
    const { bus, connect, eventOf, read } = suite()
    const seen: string[] = []
    const other = await connect()
    const first = await read(async (event) => void seen.push(`first ${event.data}`))
    await bus.publish([eventOf('warm', 'up')])
    await eventually(() => seen.length === 1)
    seen.length = 0
    await read(async (event) => void seen.push(`second ${event.data}`), other)
    await bus.publish(Array.from({ length: 100 }, (_, index) => eventOf(`s${index % 7}`, index)))
    await eventually(() => seen.length >= 100)
    expect(new Set(seen.map((entry) => entry.split(' ')[1])).size).toBe(100)
    expect(seen.filter((entry) => entry.startsWith('second'))).toEqual([])
    await first.stop()
    await other.publish([eventOf('a', 'after')])
    await eventually(() => expect(seen.at(-1)).toBe('second after'))
    expect(seen).toHaveLength(101)
  })

  test('an outage is told to the publisher, and healed for the reader without its help', async () => {
    const { harness, bus, eventOf, read } = suite()
    const seen: unknown[] = []
    await read(async (event) => void seen.push(event.data))
    await bus.publish([eventOf('a', 1)])
    await eventually(() => seen.length === 1)
    const heal = await harness.outage()
    await expect(bus.publish([eventOf('a', 2)])).rejects.toBeInstanceOf(DependencyUnavailable)
    await expect(bus.ping()).rejects.toBeInstanceOf(DependencyUnavailable)
    await heal()
    await eventually(() => bus.publish([eventOf('a', 3)]))
    await eventually(() => expect(seen.at(-1)).toBe(3))
  })

  test('a broken connection in the middle loses nothing and keeps the order of what is seen first', async () => {
    const { harness, bus, eventOf, read } = suite()
    const seen = new Map<string, number[]>()
    await read(async (event) => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      const numbers = seen.get(event.subject) ?? []
      if (!numbers.includes(event.data as number)) seen.set(event.subject, [...numbers, event.data as number])
    })
    const events = Array.from({ length: 400 }, (_, index) => eventOf(`s${index % 5}`, index))
    await bus.publish(events)
    for (let round = 0; round < 3; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 40))
      await harness.cut()
    }
    await eventually(() => [...seen.values()].flat().length === 400)
    for (const numbers of seen.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  })

  test('a store that is away when an event is handled makes no dead letters', async () => {
    const { bus, eventOf, read } = suite()
    let away = true
    let tries = 0
    const seen: unknown[] = []
    await read(async (event) => {
      tries += 1
      if (away) throw new DependencyUnavailable('postgres')
      seen.push(event.data)
    })
    await bus.publish([eventOf('a', 1), eventOf('b', 2)])
    await eventually(() => tries >= 6)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(await bus.deadLetters.list()).toEqual([])
    away = false
    await eventually(() => expect(seen.toSorted()).toEqual([1, 2]))
  })
}
