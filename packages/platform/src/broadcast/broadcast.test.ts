import { afterEach, expect, test, vi } from 'vitest'
import { createBroadcast } from './index.ts'

afterEach(() => {
  vi.useRealTimers()
})

test('publish resolves when every subscriber of the channel has run, and of no other', async () => {
  const broadcast = createBroadcast()
  const seen: string[] = []
  await broadcast.subscribe('a', {
    onMessage: async (message) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      seen.push(`slow ${message}`)
    },
  })
  await broadcast.subscribe('a', { onMessage: (message) => void seen.push(`quick ${message}`) })
  await broadcast.subscribe('b', { onMessage: () => void seen.push('other') })
  await broadcast.publish('a', 1)
  expect(seen).toEqual(['quick 1', 'slow 1'])
  await broadcast.close()
})

test('a subscriber gets messages one at a time, in order', async () => {
  const broadcast = createBroadcast()
  const seen: unknown[] = []
  let running = 0
  await broadcast.subscribe('a', {
    onMessage: async (message) => {
      running += 1
      expect(running).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 3 - (message as number)))
      running -= 1
      seen.push(message)
    },
  })
  await Promise.all([broadcast.publish('a', 0), broadcast.publish('a', 1), broadcast.publish('a', 2)])
  expect(seen).toEqual([0, 1, 2])
  await broadcast.close()
})

test('one that throws stops neither the publisher nor the others', async () => {
  const errors: unknown[] = []
  const broadcast = createBroadcast({ onError: (error) => errors.push(error) })
  const seen: unknown[] = []
  await broadcast.subscribe('a', {
    onMessage: (message) => {
      if (message === 1) throw new Error('bad')
      seen.push(message)
    },
  })
  await broadcast.publish('a', 1)
  await broadcast.publish('a', 2)
  expect(seen).toEqual([2])
  expect(errors).toHaveLength(1)
  await broadcast.close()
})

test('healing runs before subscribe answers and then again and again, also after it failed', async () => {
  vi.useFakeTimers()
  const broadcast = createBroadcast()
  let healed = 0
  const subscription = await broadcast.subscribe('a', {
    onMessage: () => undefined,
    healEveryMs: 1_000,
    heal: async () => {
      healed += 1
      if (healed === 2) throw new Error('store away')
    },
  })
  expect(healed).toBe(1)
  await vi.advanceTimersByTimeAsync(3_100)
  expect(healed).toBe(4)
  await subscription.stop()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(healed).toBe(4)
})

test('after stop nothing is delivered', async () => {
  const broadcast = createBroadcast()
  let seen = 0
  const subscription = await broadcast.subscribe('a', {
    onMessage: () => {
      seen += 1
    },
  })
  await subscription.stop()
  await broadcast.publish('a', 1)
  expect(seen).toBe(0)
})
