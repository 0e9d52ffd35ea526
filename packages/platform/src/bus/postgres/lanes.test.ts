import { expect, test } from 'vitest'
import { createCourtesy } from './courtesy.ts'
import { createLanes } from './lanes.ts'
import { createWatermark } from './watermark.ts'

const tick = () => new Promise<void>((resolve) => setTimeout(resolve, 1))

test('tasks of a key run in order one at a time, at most so many keys at once', async () => {
  const lanes = createLanes(2, () => undefined)
  const seen: string[] = []
  const running = new Set<string>()
  let most = 0
  for (let index = 0; index < 30; index += 1) {
    const key = `k${index % 5}`
    lanes.run(key, async () => {
      expect(running.has(key)).toBe(false)
      running.add(key)
      most = Math.max(most, running.size)
      await tick()
      running.delete(key)
      seen.push(`${key}:${index}`)
    })
  }
  await lanes.idle()
  expect(most).toBe(2)
  expect(seen).toHaveLength(30)
  for (let key = 0; key < 5; key += 1) {
    const own = seen.filter((entry) => entry.startsWith(`k${key}:`))
    expect(own).toEqual([0, 1, 2, 3, 4, 5].map((round) => `k${key}:${round * 5 + key}`))
  }
})

test('a key with a long queue does not starve another', async () => {
  const lanes = createLanes(1, () => undefined)
  const seen: string[] = []
  for (let index = 0; index < 10; index += 1) lanes.run('long', async () => void seen.push('long'))
  lanes.run('short', async () => void seen.push('short'))
  await lanes.idle()
  expect(seen.indexOf('short')).toBeLessThan(3)
})

test('a task that throws is told and stops nothing', async () => {
  const errors: unknown[] = []
  const lanes = createLanes(1, (error) => errors.push(error))
  let done = false
  lanes.run('a', async () => {
    throw new Error('bad')
  })
  lanes.run('a', async () => {
    done = true
  })
  await lanes.idle()
  expect(errors).toHaveLength(1)
  expect(done).toBe(true)
})

test('the watermark never passes something that is not done, in whatever order things end', () => {
  for (let round = 0; round < 50; round += 1) {
    const watermark = createWatermark(10n)
    const positions = Array.from({ length: 40 }, (_, index) => 11n + BigInt(index * 2))
    for (const position of positions) watermark.begin(position)
    watermark.seen(100n)
    const open = new Set(positions)
    for (const position of positions.toSorted(() => Math.random() - 0.5)) {
      open.delete(position)
      watermark.end(position)
      const oldest = [...open].toSorted((a, b) => Number(a - b))[0]
      expect(watermark.value()).toBe(oldest === undefined ? 100n : oldest - 1n)
    }
  }
})

test('the watermark holds many thousands of positions and forgets what is done', () => {
  const watermark = createWatermark(0n)
  for (let position = 1n; position <= 5_000n; position += 1n) {
    watermark.begin(position)
    watermark.seen(position)
    if (position > 10n) watermark.end(position - 10n)
  }
  expect(watermark.value()).toBe(4_990n)
  expect(watermark.open()).toBe(10)
})

test('fewer run while fewer are allowed, and those that wait for others are asked about again', async () => {
  let allowed = 2
  const lanes = createLanes(
    16,
    () => undefined,
    () => allowed,
  )
  const others = Promise.withResolvers<void>()
  let running = 0
  let most = 0
  const wait = async () => {
    running += 1
    most = Math.max(most, running)
    if (running === 3) others.resolve()
    await others.promise
  }
  for (const key of ['a', 'b', 'c']) lanes.run(key, wait)
  await tick()
  expect(most).toBe(2)
  allowed = 16
  await lanes.idle()
  expect(most).toBe(3)
})

test('events give way while the process is busy, the less the longer they have waited, and not at all when it rests', async () => {
  let share = 0.95
  const allowed = createCourtesy(16, (() => ({ idle: 0, active: 0, utilization: share })) as never)
  expect(allowed(0)).toBe(16)
  await new Promise((resolve) => setTimeout(resolve, 25))
  expect([allowed(0), allowed(100), allowed(200), allowed(10_000)]).toEqual([4, 10, 16, 16])
  share = 0.4
  await new Promise((resolve) => setTimeout(resolve, 25))
  expect(allowed(0)).toBe(16)
})
