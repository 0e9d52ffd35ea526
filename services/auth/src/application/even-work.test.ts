import { type Clock, ok } from '@ashlar/kernel'
import { createUnitOfWork, openDatabase } from '@ashlar/platform/postgres'
import { type TestDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmailAddress, parseEmail } from '../domain/email.ts'
import { authMigrations } from '../index.ts'
import { createOpaqueTokens } from '../infrastructure/opaque-tokens.ts'
import { createAccountReads } from '../infrastructure/postgres/account-reads.ts'
import { createRepositories } from '../infrastructure/postgres/store.ts'
import type { AuthTables } from '../infrastructure/postgres/tables.ts'
import { createSealing } from '../infrastructure/sealing.ts'
import { login } from './commands/login.ts'
import { registerUser } from './commands/register-user.ts'
import { requestForAddress } from './commands/request-for-address.ts'
import { verifyEmail } from './commands/verify-email.ts'
import type { AuthTx, Work } from './ports.ts'

const runtime = testRuntime()
let store: TestDatabase
let unitOfWork: Work
let close: () => Promise<void>
/** Every call of the store and of the hash, in its order. Each call of a repository is one statement. */
let steps: string[] = []
const tokens = createOpaqueTokens()
const mailed: string[] = []

/** The same thing, each function of which writes down that it was called. */
const watched = <T extends object>(thing: T, name: string): T =>
  new Proxy(thing, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key)
      if (typeof value === 'object' && value !== null) return watched(value, `${name}${String(key)}.`)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        steps.push(`${name}${String(key)}`)
        return value.apply(target, args)
      }
    },
  })

beforeAll(async () => {
  store = await testDatabase('auth', authMigrations)
  const database = openDatabase<AuthTables>({ url: store.url, applicationName: 'test', runtime, service: 'auth' })
  const repositories = createRepositories({
    ...runtime,
    tokenSeconds: 900,
    currentContext: () => runtime.context.current(),
  })
  const real = createUnitOfWork({ database, runtime, service: 'auth', repositories })
  unitOfWork = ((work) => {
    steps.push('transaction')
    return real((tx) => work(watched<AuthTx>(tx, '')))
  }) as Work
  const clock: Clock = runtime.clock
  const common = { unitOfWork, clock, newId: runtime.newId, tokens }
  const passwords = watched(
    { hash: async () => ok('$hash'), verify: async () => ok(false), admit: () => ok(undefined), isWeak: () => false },
    'passwords.',
  )
  const sealing = createSealing(runtime)
  const limits = { enabled: true, short: { count: 3, ms: 900_000 }, long: { count: 10, ms: 86_400_000 } }
  doors = {
    register: (email) =>
      registerUser({
        ...common,
        ...sealing,
        passwords,
        refusePassword: async () => undefined,
        evenTime: (work) => work(),
        linkLimits: limits,
        lifetimes: { verificationMs: 1_000 },
        sealMail: (content) => {
          mailed.push(content.token ?? '')
          return sealing.sealMail(content)
        },
      })({ email, password: 'x', firstName: null, lastName: null }),
    login: (email) =>
      login({
        ...common,
        ...sealing,
        passwords,
        accounts: watched(createAccountReads(database.db), 'accounts.'),
        accessTokens: { lifetimeSeconds: 900, issue: async () => '' },
        guardSecret: (_about, attempt) => attempt(),
        asUser: (_id, work) => work(),
        lifetimes: {} as never,
      })({ email, password: 'x', ip: null, userAgent: null }),
    forgot: (email) =>
      requestForAddress({ ...common, wakeRequests: () => undefined })({ kind: 'password_forgot', email }),
    resend: (email) =>
      requestForAddress({ ...common, wakeRequests: () => undefined })({ kind: 'verification_resend', email }),
  }
  await runtime.as(async () => {
    for (const name of ['known', 'inactive']) {
      await doors.register?.(address(name))
      const token = mailed.at(-1) ?? ''
      await verifyEmail({ unitOfWork: real, tokens, clock })({ token })
    }
    await doors.register?.(address('pending'))
    for (let i = 0; i < 5; i++) await doors.register?.(address('flooded'))
  })
  await store.sql('UPDATE users SET is_active = false WHERE email LIKE $1', ['inactive%'])
  close = async () => {
    await database.close()
    await store.close()
  }
})
afterAll(() => close())

let doors: Record<string, (email: EmailAddress) => Promise<unknown>> = {}
const address = (name: string): EmailAddress => (parseEmail(`${name}@example.test`) as { value: EmailAddress }).value

test.each(['register', 'login', 'forgot', 'resend'])(
  '%s takes the same steps whatever the address is',
  async (name) => {
    const taken: string[][] = []
    for (const who of ['unheard-of', 'known', 'inactive', 'pending', 'flooded']) {
      steps = []
      await runtime.as(() => doors[name]?.(address(who)) ?? Promise.reject(new Error('no such door')))
      taken.push(steps)
    }
    expect(taken[0]?.length).toBeGreaterThan(1)
    for (const other of taken) expect(other).toEqual(taken[0])
  },
)
