import { createMetrics } from '@ashlar/platform/telemetry'
import { expect, test } from 'vitest'
import { createHashQueue } from './hash-queue.ts'

const open = (concurrency: number, maxWaiting: number) => {
  const metrics = createMetrics({ service: 'test' })
  const clock = { ms: 0 }
  const queue = createHashQueue({ concurrency, maxWaiting, maxWaitMs: 2_000, metrics, nowMs: () => clock.ms })
  const value = async (name: string) => (await metrics.registry.getSingleMetric(name)?.get())?.values[0]?.value
  return { queue, value, clock }
}

/** Works that end when they are told, and what was running at once. */
const controlled = () => {
  const ends: ((failure?: Error) => void)[] = []
  const state = { running: 0, most: 0 }
  const work = () => {
    state.most = Math.max(state.most, ++state.running)
    return new Promise<number>((resolve, reject) => {
      const number = ends.length
      ends.push((failure) => {
        state.running--
        if (failure) reject(failure)
        else resolve(number)
      })
    })
  }
  return { ends, state, work }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a few run, a few wait, and one more is refused at once without being run', async () => {
  const { queue, value } = open(2, 3)
  const { ends, state, work } = controlled()
  const accepted = Array.from({ length: 5 }, () => queue.run(work))
  expect(await queue.run(work)).toEqual({ ok: false, error: 'overloaded' })
  expect(await value('hash_queue_length')).toBe(3)
  expect(await value('hash_queue_refused_total')).toBe(1)

  for (let i = 0; i < 5; i++) {
    await turn()
    ends[i]?.()
  }
  expect(await Promise.all(accepted)).toEqual([0, 1, 2, 3, 4].map((n) => ({ ok: true, value: n })))
  expect(state).toEqual({ running: 0, most: 2 })
  expect(await value('hash_queue_length')).toBe(0)
})

test('who waits is served before who comes later, and the bound holds meanwhile', async () => {
  const { queue } = open(1, 10)
  const { ends, state, work } = controlled()
  const first = queue.run(work)
  const second = queue.run(work)
  await turn()
  ends[0]?.()
  const third = queue.run(work)
  for (let i = 1; i < 3; i++) {
    await turn()
    ends[i]?.()
  }
  expect(await Promise.all([first, second, third])).toEqual([0, 1, 2].map((n) => ({ ok: true, value: n })))
  expect(state.most).toBe(1)
})

test('on a slow machine fewer wait: nobody is kept for longer than the bound, and it opens again with the speed', async () => {
  const { queue, value, clock } = open(2, 100)
  const { ends, work } = controlled()
  const take = async (ms: number) => {
    const done = queue.run(work)
    await turn()
    clock.ms += ms
    ends.at(-1)?.()
    await done
  }
  await take(900)
  const accepted = Array.from({ length: 6 }, () => queue.run(work))
  expect(queue.admit()).toEqual({ ok: false, error: 'overloaded' })
  expect(await queue.run(work)).toEqual({ ok: false, error: 'overloaded' })
  expect(await value('hash_queue_refused_total')).toBe(2)
  for (let i = 1; i <= 6; i++) {
    await turn()
    ends[i]?.()
  }
  await Promise.all(accepted)
  expect(queue.admit()).toEqual({ ok: true, value: undefined })
  for (let i = 0; i < 40; i++) await take(10)
  expect([...Array(50)].map(() => queue.run(work))).toHaveLength(50)
  expect(queue.admit().ok).toBe(true)
})

test('a work that fails gives its place back', async () => {
  const { queue } = open(1, 1)
  const { ends, work } = controlled()
  const failing = queue.run(work)
  const next = queue.run(work)
  await turn()
  ends[0]?.(new Error('out of memory'))
  await expect(failing).rejects.toThrow('out of memory')
  await turn()
  ends[1]?.()
  expect(await next).toEqual({ ok: true, value: 1 })
})
