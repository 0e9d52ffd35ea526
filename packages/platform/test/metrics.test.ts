import { spawnSync } from 'node:child_process'
import { afterAll, expect, test } from 'vitest'
import { createBusRetention, createPostgresBus } from '../src/bus/index.ts'
import { createMemoryCache } from '../src/cache/index.ts'
import { createRequestMetrics } from '../src/http/index.ts'
import { createRelay } from '../src/outbox/index.ts'
import { openDatabase } from '../src/postgres/index.ts'
import { type TestDatabase, testBusDatabase, testRuntime } from '../src/testing/index.ts'

const tool = 'promtool'
const hasTool = spawnSync(tool, ['--version']).status === 0
let store: TestDatabase | undefined
afterAll(() => store?.close())

/** Names that are fixed, although promtool would like others. */
const FIXED = /^cache_(?:hits|misses) /

/** The text of every metric that the platform itself has, by registry, most of them with a sample. */
const expositions = async (): Promise<string[]> => {
  store = await testBusDatabase()
  const runtime = testRuntime()
  const metrics = runtime.metrics('auth')
  const database = openDatabase({ url: store.urlAs('auth'), applicationName: 'test', runtime, service: 'auth' })
  const bus = createPostgresBus({ url: store.urlAs('auth'), runtime, retry: { tries: 1, delaysMs: [] } })
  const cache = createMemoryCache<number>({ name: 'templates', max: 1, ttlMs: 1_000, metrics })
  createRelay({ database, bus, runtime, service: 'auth' })
  createRequestMetrics(metrics)('GET', '/books/:id', 500, 0.01)
  const retention = createBusRetention({ url: store.url, runtime })
  retention.start()
  await retention.stop()
  await cache.get('a', async () => 1)
  await cache.get('a', async () => 1)
  await database.ping()
  const subscription = await bus.subscribe({ name: 'r', types: ['a.b.v1'], handle: async () => undefined })
  await expect
    .poll(() => runtime.metrics('bus').registry.metrics(), { timeout: 10_000 })
    .toMatch(/bus_dead_letters\{[^}]*\} 0/)
  await subscription.stop()
  const texts = await Promise.all([metrics, runtime.metrics('bus')].map(({ registry }) => registry.metrics()))
  await bus.close()
  await database.close()
  return texts
}

test('every promised name is there, and promtool has no other wish for any of them', async ({ skip }) => {
  const texts = await expositions()
  const text = texts.join('\n')
  const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name)
  for (const name of [
    'http_requests_total',
    'http_request_duration_seconds',
    'http_errors_total',
    'db_connections',
    'bus_messages_total',
    'bus_consumer_lag',
    'bus_dead_letters',
    'bus_pruned_total',
    'outbox_oldest_age_seconds',
    'outbox_relayed_total',
    'cache_hits',
    'cache_misses',
  ]) {
    expect(names).toContain(name)
  }
  expect(text).toContain('db_connections{database="postgres",state="idle",service="auth"} 1')
  if (!hasTool) skip('no promtool')
  for (const input of texts) {
    const said = spawnSync(tool, ['check', 'metrics'], { input, encoding: 'utf8' })
    const lines = `${said.stdout}${said.stderr}`.split('\n').filter((line) => line !== '' && !FIXED.test(line))
    expect(lines).toEqual([])
  }
})
