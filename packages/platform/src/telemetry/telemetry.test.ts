import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { createContextStore, newTraceparent, traceIdOf } from '../context/index.ts'
import { createLogger, createMetrics, type LoggerOptions } from './index.ts'

const capture = (options: Partial<LoggerOptions> = {}) => {
  const text: string[] = []
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text.push(chunk.toString('utf8'))
      done()
    },
  })
  const logger = createLogger({ service: 'auth-service', level: 'debug', destination, ...options })
  return { logger, text: () => text.join(''), lines: () => text.map((line) => JSON.parse(line)) }
}

describe('log lines', () => {
  test('have the words that operators look for', () => {
    const context = createContextStore()
    const { logger, lines, text } = capture({ context })
    const traceparent = newTraceparent()
    const within = { requestId: 'r-1', traceparent, actor: { type: 'user', id: 'u-1' } } as const
    context.run(within, () => logger.info({ duration: '45ms' }, 'done'))
    logger.fatal({}, 'worst')
    logger.trace({}, 'not shown')
    logger.debug('plain')
    expect(lines()[0]).toEqual({
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: 'info',
      service: 'auth-service',
      message: 'done',
      correlationId: 'r-1',
      traceId: traceIdOf(traceparent),
      userId: 'u-1',
      duration: '45ms',
    })
    expect(lines().map(({ level }) => level)).toEqual(['info', 'error', 'debug'])
    expect(text().endsWith('\n')).toBe(true)
  })

  test('who is no user has no user id', () => {
    const context = createContextStore()
    const { logger, lines } = capture({ context })
    context.run({ requestId: 'r', traceparent: newTraceparent(), actor: { type: 'service', id: 'relay' } }, () =>
      logger.info('x'),
    )
    expect(lines()[0]).not.toHaveProperty('userId')
  })

  test('a field that is not on the list is not printed, wherever it is hidden', () => {
    const { logger, text } = capture()
    const secret = 'hunter2'
    logger.info({ password: secret, event: { type: 'x', token: secret }, errors: [{ code: 'a', value: secret }] }, 'a')
    logger.child({ authorization: secret, sessionId: 's' }).warn({ body: { email: secret } }, 'b')
    logger
      .child({ id: 'a' })
      .child({ secret }, { serializers: { id: () => secret } })
      .info('grandchild')
    const bound = logger.child({})
    bound.setBindings({ secret })
    bound.info('bound')
    logger.info({ state: { state: { state: { state: { state: { state: secret } } } } } }, 'deep')
    logger.info({ id: Buffer.from(secret), hash: new Uint8Array(4) }, 'bytes')
    logger.info(Object.assign(Object.create({ id: secret }), { service: 's' }), 'inherited')
    expect(text()).not.toContain(secret)
    expect(text()).not.toContain(Buffer.from(secret).toString('base64'))
    expect(text()).toContain('"password":"[redacted]"')
    expect(text()).toContain('"sessionId":"s"')
  })

  test('errors keep name, message and stack, and lose what hangs on them', () => {
    const { logger, lines, text } = capture()
    const cause = Object.assign(new Error('duplicate key'), {
      code: '23505',
      detail: 'Key (email)=(ada@example.org)',
      parameters: ['x'],
    })
    const error = Object.assign(new TypeError('did not work', { cause }), {
      request: { headers: { cookie: 'c00kie' } },
    })
    logger.error({ err: error }, 'a')
    logger.error(error)
    logger.error({ reason: error }, 'b')
    expect(lines()[0].err).toEqual({
      name: 'TypeError',
      message: 'did not work',
      stack: expect.stringContaining('telemetry.test.ts'),
      cause: { name: 'Error', message: 'duplicate key', code: '23505', stack: expect.any(String) },
    })
    expect(lines()[1]).toMatchObject({ message: 'did not work', err: { name: 'TypeError' } })
    expect(lines()[2].reason).toMatchObject({ name: 'TypeError' })
    expect(text()).not.toMatch(/ada@example|c00kie/)
  })

  test('odd values do not break a line', () => {
    const { logger, lines } = capture()
    const circle: Record<string, unknown> = {}
    circle.cause = circle
    logger.info(
      {
        count: 5n,
        at: new Date(0),
        since: new Date(Number.NaN),
        result: circle,
        detail: 'x'.repeat(10_000),
        reason: 'a\nb',
      },
      'x',
    )
    const [line] = lines()
    expect(line).toMatchObject({ count: '5', at: '1970-01-01T00:00:00.000Z', since: null, reason: 'a\nb' })
    expect(line.detail.length).toBeLessThan(3_000)
  })

  test('a field cannot pass for one of the line itself', () => {
    const { logger, lines, text } = capture()
    logger.info({ service: 'payments', message: 'forged', level: 'debug' }, 'true')
    expect(lines()[0]).toMatchObject({
      service: 'auth-service',
      serviceField: 'payments',
      message: 'true',
      level: 'info',
    })
    expect(text().match(/"service":/g)).toHaveLength(1)
  })

  test('the level is obeyed', () => {
    const { logger, lines } = capture({ level: 'warn' })
    logger.info('no')
    logger.warn('yes')
    expect(lines().map(({ message }) => message)).toEqual(['yes'])
  })
})

describe('metrics', () => {
  test('carry the service, live in a registry of their own, and are made once', async () => {
    const one = createMetrics({ service: 'auth' })
    const two = createMetrics({ service: 'payments' })
    const logins = one.counter('logins_total', 'Sign-ins.', ['outcome'])
    logins.inc({ outcome: 'ok' })
    one.counter('logins_total', 'Sign-ins.', ['outcome']).inc({ outcome: 'ok' })
    one.gauge('queue_waiting', 'Waiting.').set(3)
    one.histogram('work_duration_seconds', 'Duration.', [], [1]).observe(0.5)
    const text = await one.registry.metrics()
    expect(text).toContain('logins_total{outcome="ok",service="auth"} 2')
    expect(text).toContain('queue_waiting{service="auth"} 3')
    expect(text).toContain('work_duration_seconds_bucket{le="1",service="auth"} 1')
    expect(await two.registry.metrics()).not.toContain('logins_total')
    expect(() => one.gauge('logins_total', 'x')).toThrow(/another kind/)
  })

  test('a sample is read at each scrape, as the sum of its readers, and ends with them', async () => {
    const { sample, gauge, registry } = createMetrics({ service: 'auth' })
    const pool = { used: 1 }
    const read = () =>
      sample('pool_used', 'Used.', ['of'], (used) => {
        used.inc({ of: 'x' }, pool.used)
      })
    const ends = [read(), read()]
    expect(await registry.metrics()).toContain('pool_used{of="x",service="auth"} 2')
    pool.used = 5
    expect(await registry.metrics()).toContain('pool_used{of="x",service="auth"} 10')
    for (const end of ends) end()
    expect(await registry.metrics()).not.toContain('pool_used{')
    gauge('queue_waiting', 'Waiting.')
    expect(() => sample('queue_waiting', 'Waiting.', [], () => undefined)).toThrow(/set by somebody else/)
  })

  test('every metric has help, counters end in _total', () => {
    const { counter, histogram, gauge } = createMetrics({ service: 'x' })
    expect(() => counter('requests', 'Requests.')).toThrow(/_total/)
    expect(() => gauge('lag_seconds', '')).toThrow(/help/)
    expect(() => histogram('duration_ms', 'Duration.')).toThrow(/base unit/)
  })
})
