import { expect, test } from 'vitest'
import { sampleMigrations } from '../../test/sample.ts'
import { createFakeClock, createFakeFaults, testDatabase, testRuntime } from './index.ts'

test('two databases of one set are apart, and both have its tables', async () => {
  const [one, other] = await Promise.all([
    testDatabase('auth', sampleMigrations),
    testDatabase('auth', sampleMigrations),
  ])
  await one.sql(`INSERT INTO notes (text) VALUES ('x')`)
  expect(await other.sql('SELECT text FROM notes')).toEqual([])
  expect(await one.sql('SELECT text FROM notes')).toEqual([{ text: 'x' }])
  await Promise.all([one.close(), other.close()])
  await expect(one.sql('SELECT 1')).rejects.toThrow('unavailable')
})

test('a fake clock moves when it is told', () => {
  const clock = createFakeClock(new Date('2026-01-01T00:00:00Z'))
  clock.advance(90_000)
  expect(clock.now()).toEqual(new Date('2026-01-01T00:01:30Z'))
  clock.set(new Date('2027-01-01T00:00:00Z'))
  expect(clock.now()).toEqual(new Date('2027-01-01T00:00:00Z'))
})

test('a fault throws as often as it was told, and a pause waits until it is released', async () => {
  const faults = createFakeFaults()
  await faults.hit('a')
  faults.throwAt('a', { times: 2 })
  await expect(faults.hit('a')).rejects.toThrow('fault injected at a')
  await expect(faults.hit('a')).rejects.toThrow()
  await expect(faults.hit('a')).resolves.toBeUndefined()
  expect(faults.hits('a')).toBe(4)

  const pause = faults.pauseAt('b')
  let passed = false
  const hit = faults.hit('b').then(() => {
    passed = true
  })
  await pause.reached
  expect(passed).toBe(false)
  pause.release()
  await hit
  expect(passed).toBe(true)
})

test('logs are captured, with the request they belong to, and nothing is printed', () => {
  const runtime = testRuntime()
  runtime.as(() => runtime.logger('auth').info('hello'), { type: 'user', id: 'u1' }, { requestId: 'r1' })
  expect(runtime.logs).toMatchObject([{ message: 'hello', service: 'auth-service', correlationId: 'r1' }])
})
