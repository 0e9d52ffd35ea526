import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest'
import type { Bus, RetryPolicy, Subscription } from '../src/bus/index.ts'
import { newTraceparent } from '../src/context/index.ts'
import type { Envelope } from '../src/events/index.ts'
import { type TestRuntime, testRuntime } from '../src/testing/index.ts'
import { deadLetterTests } from './bus.dead-letters.ts'
import { deliveryTests } from './bus.delivery.ts'
import { outboxTests } from './bus.outbox.ts'

/** One broker, fresh for a test file; each `connect` is what a process of its own would have. */
export type BusHarness = {
  connect(options: { runtime: TestRuntime; retry: RetryPolicy }): Promise<Bus>
  /** Makes the broker unreachable until the answer is called. */
  outage(): Promise<() => Promise<void>>
  /** Cuts every connection once, as a crash of whoever holds it would. */
  cut(): Promise<void>
  close(): Promise<void>
}

/** What a test works with: everything but the harness is its own. */
export type BusSuite = {
  harness: BusHarness
  runtime: TestRuntime
  bus: Bus
  /** Of the test's subscription. */
  name: string
  /** Of the test's events. */
  type: string
  /** The bus as another process has it. */
  connect(retry?: RetryPolicy): Promise<Bus>
  eventOf(subject: string, data?: unknown, more?: Partial<Envelope>): Envelope
  read(handle: (event: Envelope) => Promise<void>, from?: Bus): Promise<Subscription>
}

const QUICK: RetryPolicy = { tries: 6, delaysMs: [20, 30, 40] }

/** What every bus must keep, whatever carries it. */
export const describeBus = (adapter: string, createHarness: () => Promise<BusHarness>): void => {
  describe(`bus: ${adapter}`, () => {
    let harness: BusHarness
    let suite: BusSuite
    let counter = 0
    const opened: Bus[] = []

    beforeAll(async () => {
      harness = await createHarness()
    })
    beforeEach(async () => {
      const runtime = testRuntime()
      counter += 1
      const name = `reader-${counter}`
      // A type of its own per test: a new subscription begins with the oldest event that is kept.
      const type = `thing.happened.v${counter}`
      const connect = async (retry: RetryPolicy = QUICK): Promise<Bus> => {
        const connected = await harness.connect({ runtime, retry })
        opened.push(connected)
        return connected
      }
      const bus = await connect()
      suite = {
        harness,
        runtime,
        bus,
        name,
        type,
        connect,
        eventOf: (subject, data = {}, more = {}) => ({
          specversion: '1.0',
          id: runtime.newId(),
          source: '/ashlar/default/test',
          type,
          subject,
          time: new Date().toISOString(),
          datacontenttype: 'application/json',
          dataschema: `urn:ashlar:event:${type}`,
          data,
          correlationid: 'request-1',
          traceparent: newTraceparent(),
          actor: 'user:u1',
          ...more,
        }),
        read: (handle, from = bus) => from.subscribe({ name, types: [type], handle }),
      }
    })
    afterEach(async () => {
      suite.runtime.faults.clear()
      await Promise.all(opened.splice(0).map((connected) => connected.close()))
    })
    afterAll(() => harness.close())

    deliveryTests(() => suite)
    deadLetterTests(() => suite)
    outboxTests(() => suite)
  })
}
