import { Writable } from 'node:stream'
import { type Actor, type ExecutionContext, newTraceparent } from '../context/index.ts'
import { createKeyring } from '../keys/index.ts'
import { createRuntime, type Runtime, type RuntimeOptions } from '../runtime/index.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { createFakeFaults, type FakeFaults } from './fake-faults.ts'

export type LogLine = { level: string; message: string; service: string } & Record<string, unknown>

export type TestRuntime<C = FakeClock> = Omit<Runtime, 'clock' | 'faults'> & {
  clock: C
  faults: FakeFaults
  /** Everything that was logged, debug lines too; nothing reaches the terminal. */
  logs: LogLine[]
  /** Runs `work` in a context of its own, as this actor (the service `test`). */
  as<T>(work: () => T, actor?: Actor, more?: Partial<ExecutionContext>): T
}

/** A runtime with a clock that stands still (or the given one), captured logs, and faults that can be switched on. */
export const testRuntime = <C extends RuntimeOptions['clock'] = FakeClock>(
  options: Partial<Omit<RuntimeOptions, 'faults' | 'logDestination' | 'clock'>> & { clock?: C } = {},
): TestRuntime<C extends undefined ? FakeClock : C> => {
  const faults = createFakeFaults()
  const logs: LogLine[] = []
  const logDestination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      for (const line of chunk.toString('utf8').split('\n')) if (line !== '') logs.push(JSON.parse(line))
      done()
    },
  })
  const clock = options.clock ?? createFakeClock()
  const runtime = createRuntime({
    keys: createKeyring({ masterKey: Buffer.alloc(32, 7) }),
    environment: 'test',
    logLevel: 'debug',
    ...options,
    clock,
    faults,
    logDestination,
  })
  return {
    ...runtime,
    clock: clock as C extends undefined ? FakeClock : C,
    faults,
    logs,
    as: (work, actor = { type: 'service', id: 'test' }, more = {}) =>
      runtime.context.run({ requestId: runtime.newId(), traceparent: newTraceparent(), actor, ...more }, work),
  }
}
