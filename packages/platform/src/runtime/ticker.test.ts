import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createTicker } from './index.ts'

const latch = () => {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}
const fail = (error: unknown): void => {
  throw error
}

test('rounds follow one another with a pause between and never overlap', async () => {
  let inside = 0
  let most = 0
  let rounds = 0
  const enough = latch()
  const ticker = createTicker({
    everyMs: 1,
    onError: fail,
    work: async () => {
      inside += 1
      most = Math.max(most, inside)
      await pause(3)
      inside -= 1
      rounds += 1
      if (rounds === 3) enough.open()
    },
  })
  ticker.start()
  ticker.start()
  expect(rounds + inside).toBe(0)
  await enough.opened
  await ticker.stop()
  expect(most).toBe(1)
})

test('the first round begins with the start where it is asked to', async () => {
  let rounds = 0
  const ticker = createTicker({ everyMs: 60_000, immediately: true, onError: fail, work: async () => (rounds += 1) })
  ticker.start()
  expect(rounds).toBe(1)
  await ticker.stop()
})

test('a round that throws is told of, and the next one comes', async () => {
  const told: unknown[] = []
  const again = latch()
  let rounds = 0
  const ticker = createTicker({
    everyMs: 1,
    onError: (error) => told.push(error),
    work: () => {
      rounds += 1
      if (rounds === 1) throw new Error('not today')
      again.open()
      return Promise.resolve()
    },
  })
  ticker.start()
  await again.opened
  await ticker.stop()
  expect(told).toEqual([new Error('not today')])
})

test('stop waits for the round that runs, begins none after it, and start works again', async () => {
  const held = latch()
  const begun = latch()
  let ended = 0
  let rounds = 0
  const ticker = createTicker({
    everyMs: 1,
    immediately: true,
    onError: fail,
    work: async () => {
      rounds += 1
      begun.open()
      await held.opened
      ended += 1
    },
  })
  ticker.start()
  await begun.opened
  const stopped = ticker.stop().then(() => expect(ended).toBe(1))
  held.open()
  await stopped
  const before = rounds
  await pause(10)
  expect(rounds).toBe(before)
  ticker.start()
  await ticker.stop()
  expect(rounds).toBe(before + 1)
})
