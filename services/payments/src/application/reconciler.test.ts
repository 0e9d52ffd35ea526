import { eventually } from '@ashlar/platform/testing'
import { afterEach, expect, test } from 'vitest'
import { Reconciler } from './reconciler.ts'

const running: Reconciler[] = []
afterEach(async () => {
  for (const reconciler of running.splice(0)) await reconciler.stop()
})
const make = (options: Partial<ConstructorParameters<typeof Reconciler>[0]>): Reconciler => {
  const reconciler = new Reconciler({
    adopt: async () => undefined,
    pass: async () => ({ looked: 0, settled: 0 }),
    pollMs: 60_000,
    onError: () => undefined,
    ...options,
  })
  running.push(reconciler)
  return reconciler
}

test('adopts first, works on without a pause while there is work, then waits to be woken', async () => {
  const calls: string[] = []
  const work = [3, 2, 0, 1, 0]
  const reconciler = make({
    adopt: async () => calls.push('adopt'),
    pass: async () => {
      calls.push('pass')
      return { looked: work.shift() ?? 0, settled: 0 }
    },
  })
  reconciler.start()
  await eventually(() => calls.length === 4)
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(calls).toEqual(['adopt', 'pass', 'pass', 'pass'])
  reconciler.wake()
  await eventually(() => calls.length === 6)
})

test('an error is told and tried again after the pause, the adoption too', async () => {
  const errors: unknown[] = []
  let adoptions = 0
  let passes = 0
  make({
    pollMs: 5,
    adopt: async () => {
      adoptions += 1
      if (adoptions === 1) throw new Error('store away')
    },
    pass: async () => {
      passes += 1
      if (passes === 1) throw new Error('provider away')
      return { looked: 0, settled: 0 }
    },
    onError: (error) => errors.push(String(error)),
  }).start()
  await eventually(() => passes >= 3)
  expect(adoptions).toBe(2)
  expect(errors).toEqual(['Error: store away', 'Error: provider away'])
})

test('stop waits for the pass that runs and lets no other begin', async () => {
  const gate = Promise.withResolvers<void>()
  let passes = 0
  const reconciler = make({
    pollMs: 1,
    pass: async () => {
      passes += 1
      await gate.promise
      return { looked: 1, settled: 1 }
    },
  })
  reconciler.start()
  await eventually(() => passes === 1)
  let stopped = false
  const stopping = reconciler.stop().then(() => {
    stopped = true
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(stopped).toBe(false)
  gate.resolve()
  await stopping
  expect(passes).toBe(1)
})
