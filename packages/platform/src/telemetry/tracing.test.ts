import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigurationError } from '../config/index.ts'
import { traceIdOf } from '../context/index.ts'
import { createOtlpSink, eventually, type OtlpSink } from '../testing/index.ts'
import { noTracing, openTracing } from './index.ts'

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

let sink: OtlpSink
beforeEach(async () => {
  sink = await createOtlpSink()
})
afterEach(() => sink.close())

const open = (more: NodeJS.ProcessEnv = {}, onFailure?: (error: unknown) => void) =>
  openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, ...more }, { onFailure })

describe('whether it is on', () => {
  test.each([
    [{}],
    [{ OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' }],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }],
    [{ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }],
    [{ OTEL_SDK_DISABLED: 'TRUE', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }],
    [{ OTEL_SDK_DISABLED: 'true', OTEL_TRACES_EXPORTER: 'zipkin' }],
  ])('%j: off', async (environment) => {
    expect(await openTracing(environment)).toBe(noTracing)
  })

  test.each([
    { OTEL_TRACES_EXPORTER: 'otlp' },
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:9/x' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'false' },
  ])('%j: on', async (environment) => {
    const tracing = await openTracing(environment)
    expect(tracing.on).toBe(true)
    await tracing.close()
  })

  test('off, a span hands the trace on and is nothing else', () => {
    const child = noTracing.start('x', { kind: 'internal', parent: PARENT })
    expect(traceIdOf(child.traceparent)).toBe(traceIdOf(PARENT))
    expect(child.traceparent).not.toBe(PARENT)
    expect(noTracing.start('x', { kind: 'internal' }).traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  })

  test('off, neither the library nor its exporter is loaded', () => {
    const script = `
      import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
      const { openTracing } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)})
      const count = () => loaded.filter((url) => /@opentelemetry.(?:sdk-trace|otlp|exporter)/.test(url)).length
      await openTracing({})
      const off = count()
      await openTracing({ OTEL_TRACES_EXPORTER: 'otlp' })
      console.log(JSON.stringify([off, count() > 0]))`
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(JSON.parse(printed)).toEqual([0, true])
  })
})

describe('what nobody could mean', () => {
  test('is refused with the name of each variable, and no header is repeated', async () => {
    const refused = await openTracing({
      OTEL_TRACES_EXPORTER: 'zipkin',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=%zzhunter2',
      OTEL_TRACES_SAMPLER: 'sometimes',
      OTEL_BSP_SCHEDULE_DELAY: '0',
    }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ConfigurationError)
    const { lines } = refused as ConfigurationError
    expect(lines.map((line) => line.slice(0, line.indexOf(':')))).toEqual([
      'OTEL_TRACES_EXPORTER',
      'OTEL_EXPORTER_OTLP_PROTOCOL',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_HEADERS',
      'OTEL_TRACES_SAMPLER',
      'OTEL_BSP_SCHEDULE_DELAY',
    ])
    expect(lines.join()).not.toContain('hunter2')
  })

  test('a ratio beyond 1', async () => {
    const environment = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '1.5' }
    await expect(open(environment)).rejects.toThrow('OTEL_TRACES_SAMPLER_ARG')
  })
})

describe('what a collector gets', () => {
  test('spans with their parent, kind, attributes and resource, at the endpoint and with the headers that were set', async () => {
    const tracing = await open({
      OTEL_EXPORTER_OTLP_ENDPOINT: `${sink.url}/tenant/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%3Db,x-other=1',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-other=2',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=overruled,deployment.environment.name=staging%201',
      OTEL_SERVICE_NAME: 'shop',
    })
    const span = tracing.start('GET', { kind: 'server', parent: PARENT, attributes: { n: 1, none: undefined } })
    const child = tracing.start('SELECT', { kind: 'client', parent: span.traceparent })
    child.end()
    span.rename('GET /books/:id')
    span.set({ status: 200 })
    span.end()
    await tracing.close()
    expect(sink.spans).toHaveLength(2)
    const [select, get] = sink.spans
    expect(get).toMatchObject({
      name: 'GET /books/:id',
      kind: 'server',
      traceId: traceIdOf(PARENT),
      parentSpanId: '00f067aa0ba902b7',
      failed: false,
      attributes: { n: 1, status: 200 },
      resource: { 'service.name': 'shop', 'deployment.environment.name': 'staging 1' },
    })
    expect(select).toMatchObject({ kind: 'client', traceId: get?.traceId, parentSpanId: get?.spanId })
    expect(span.traceparent).toBe(`00-${get?.traceId}-${get?.spanId}-01`)
    expect(sink.requests[0]).toMatchObject({
      path: '/tenant/v1/traces',
      headers: { 'x-key': 'a=b', 'x-other': '2', 'content-type': 'application/json' },
    })
  })

  test('an endpoint for traces is taken as it stands', async () => {
    const tracing = await open({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${sink.url}/in` })
    tracing.start('x', { kind: 'internal' }).end()
    await tracing.close()
    expect(sink.requests.map(({ path }) => path)).toEqual(['/in'])
  })

  test('of an error its kind and nothing that it says; a second end is ignored', async () => {
    const tracing = await open()
    const fail = (error: unknown): void => tracing.start('x', { kind: 'internal' }).end(error)
    fail(Object.assign(new Error('Key (email)=(ada@example.org)'), { code: '23505' }))
    fail(new TypeError('hunter2'))
    fail('dependency_unavailable')
    const late = tracing.start('late', { kind: 'internal' })
    late.end()
    late.end(new Error('hunter2'))
    await tracing.close()
    expect(sink.spans.map(({ failed, attributes }) => [failed, attributes['error.type']])).toEqual([
      [true, '23505'],
      [true, 'TypeError'],
      [true, 'dependency_unavailable'],
      [false, undefined],
    ])
    expect(JSON.stringify(sink.spans)).not.toMatch(/hunter2|ada@/)
  })

  test('what the sampler lets through: a parent decides first, the sampler for those without one', async () => {
    const unsampled = PARENT.replace(/01$/, '00')
    const names = async (sampler: string, argument?: string): Promise<string[]> => {
      sink.spans.length = 0
      const tracing = await open({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument })
      for (const [name, parent] of [['root'], ['sampled', PARENT], ['unsampled', unsampled]] as const) {
        const span = tracing.start(name, { kind: 'internal', parent })
        if (parent !== undefined) expect(traceIdOf(span.traceparent)).toBe(traceIdOf(PARENT))
        span.end()
      }
      await tracing.close()
      return sink.spans.map((span) => span.name)
    }
    expect(await names('parentbased_always_on')).toEqual(['root', 'sampled'])
    expect(await names('parentbased_always_off')).toEqual(['sampled'])
    expect(await names('parentbased_traceidratio', '0')).toEqual(['sampled'])
    expect(await names('always_on')).toEqual(['root', 'sampled', 'unsampled'])
    expect(await names('always_off')).toEqual([])
    expect(await names('traceidratio', '1')).toEqual(['root', 'sampled', 'unsampled'])
  })

  test('two in one process do not meet', async () => {
    const other = await createOtlpSink()
    const [one, two] = [await open(), await openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: other.url })]
    one.start('one', { kind: 'internal' }).end()
    two.start('two', { kind: 'internal' }).end()
    await Promise.all([one.close(), two.close()])
    expect([sink.spans.map(({ name }) => name), other.spans.map(({ name }) => name)]).toEqual([['one'], ['two']])
    await other.close()
  })
})

describe('a collector that does not take them', () => {
  test('is told of once, and again after it had recovered', async () => {
    const failures: unknown[] = []
    const tracing = await open({ OTEL_BSP_SCHEDULE_DELAY: '1' }, (error) => failures.push(error))
    const send = async (status: number): Promise<void> => {
      sink.answer(status)
      const before = sink.requests.length
      tracing.start('x', { kind: 'internal' }).end()
      await eventually(() => expect(sink.requests.length).toBeGreaterThan(before))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (const status of [400, 400, 200, 400]) await send(status)
    await tracing.close()
    expect(failures).toHaveLength(2)
    expect(failures[0]).toBeInstanceOf(Error)
  })

  test('loses what goes beyond the queue, and nothing waits', async () => {
    const tracing = await open({ OTEL_BSP_MAX_QUEUE_SIZE: '10', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10' })
    for (let n = 0; n < 1_000; n += 1) tracing.start(`s${n}`, { kind: 'internal' }).end()
    await tracing.close()
    expect(sink.spans.length).toBeGreaterThan(0)
    expect(sink.spans.length).toBeLessThanOrEqual(30)
  })
})
