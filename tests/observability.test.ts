import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createOtlpSink, type OtlpSink } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, until } from './support/instance.ts'
import { call, newAdministrator, newPayment, newPerson, order, type Person, processPayment } from './support/person.ts'

let collector: OtlpSink
let instance: Instance
let administrator: Person
let person: Person

beforeAll(async () => {
  collector = await createOtlpSink()
  instance = await Instance.create({
    ASHLAR_LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '200',
  })
  await instance.start()
  administrator = await newAdministrator(instance)
  person = await newPerson(instance)
  await processPayment(instance, person, await newPayment(instance, person))
})

afterAll(async () => {
  await instance.remove()
  await collector.close()
})

type Line = Record<string, unknown> & { message: string }

const lines = (): Line[] =>
  instance.logs
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)

test('every log line is one JSON object with the agreed fields', () => {
  const all = lines()
  expect(all.length).toBeGreaterThan(20)
  for (const line of all) {
    expect(line).toMatchObject({ message: expect.any(String), service: expect.stringMatching(/^[a-z]+-service$/) })
    expect(['error', 'warn', 'info', 'debug']).toContain(line.level)
    expect(line.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  }
})

test('every line that a request caused carries its correlation id, behind the answer too', async () => {
  const requestId = `trace-${randomBytes(4).toString('hex')}`
  const created = await call(instance, 'POST', '/payments/create', {
    token: person.accessToken,
    key: requestId,
    body: order('7.00'),
    headers: { 'x-request-id': requestId },
  })
  expect([created.status, created.headers.get('x-request-id')]).toEqual([201, requestId])
  const caused = await until('the line of the request', async () => {
    const found = lines().filter(({ correlationId }) => correlationId === requestId)
    return found.length > 0 ? found : undefined
  })
  for (const line of caused) expect(line.traceId).toMatch(/^[0-9a-f]{32}$/)
  for (const line of lines().filter((one) => one.method !== undefined)) {
    expect([line.message, line.correlationId]).toEqual([line.message, expect.any(String)])
  }
})

test('one trace runs from the request through the database and the bus to the audit entry', async () => {
  const traceId = randomBytes(16).toString('hex')
  const created = await call(instance, 'POST', '/payments/create', {
    token: person.accessToken,
    key: traceId,
    body: order('8.00'),
    headers: { traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01` },
  })
  expect(created.status).toBe(201)
  const names = await until('the spans', async () => {
    const spans = collector.spans.filter((span) => span.traceId === traceId).map(({ name }) => name)
    const told = (pattern: RegExp) => spans.some((name) => pattern.test(name))
    return told(/^POST \/payments\/create/) && told(/audit/) && told(/notifications/) ? spans : undefined
  })
  expect(names.length).toBeGreaterThan(4)
  // Children are exported before the parents that outlive them.
  await until('a parent of each span', async () => {
    const spans = collector.spans.filter((span) => span.traceId === traceId)
    const known = new Set(spans.map(({ spanId }) => spanId))
    const orphans = spans.filter(({ parentSpanId, name }) => !known.has(parentSpanId) && !/^POST /.test(name))
    return orphans.length === 0 ? true : undefined
  })

  const entry = await until('the audit entry', async () => {
    const path = `/audit/timeline/payment/${created.body.transactionId as string}`
    const { body } = await call(instance, 'GET', path, { token: administrator.accessToken })
    return (body.data as { context: { traceId: string } }[] | undefined)?.[0]
  })
  expect(entry.context.traceId).toBe(traceId)
})

const promtool = (() => {
  try {
    return execFileSync('sh', ['-c', 'command -v promtool'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
})()

/** Names that the specification fixes although the linter would have them otherwise. */
const FIXED = /^(?:db_connections|rabbitmq_messages|cache_hits|cache_misses) /

test.skipIf(promtool === undefined)(
  `promtool is content with /metrics${promtool ? '' : ' (skipped: no promtool)'}`,
  async () => {
    const exposition = (await call(instance, 'GET', '/metrics')).body.text as string
    const { stderr, stdout, status } = spawnSync(promtool ?? '', ['check', 'metrics'], {
      input: exposition,
      encoding: 'utf8',
    })
    const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !FIXED.test(line))
    expect(complaints).toEqual([])
    expect([0, 3]).toContain(status)
  },
)

test('the metrics that dashboards are built on are there', async () => {
  const exposition = (await call(instance, 'GET', '/metrics')).body.text as string
  for (const name of [
    'http_requests_total',
    'http_request_duration_seconds',
    'http_errors_total',
    'db_connections',
    'bus_messages_total',
    'cache_hits',
    'cache_misses',
  ]) {
    expect(exposition).toContain(`# TYPE ${name} `)
  }
  const unbounded = /[0-9a-f]{8}-[0-9a-f]{4}-|@example\.com/
  expect(exposition.split('\n').filter((line) => unbounded.test(line))).toEqual([])
})
