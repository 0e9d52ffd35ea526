import { createBroadcast } from '@ashlar/platform/broadcast'
import type { Bus } from '@ashlar/platform/bus'
import { eventually } from '@ashlar/platform/testing'
import { decodeProtectedHeader } from 'jose'
import { afterEach, expect, test } from 'vitest'
import { person, refreshed, standing } from '../../test/people.ts'
import { settingsWith, startAuth, type TestAuth } from '../../test/support.ts'
import { createAuth } from '../index.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
const start = async (changes: Record<string, unknown> = {}, shared?: TestAuth): Promise<TestAuth> => {
  const it = await startAuth({ keyOverlapSeconds: 10, keyRotationDays: 0, ...changes }, shared)
  cleanups.push(() => it.close())
  return it
}

type KeyRow = { kid: string; private_sealed: Buffer; public_jwk: Record<string, string>; expires_at: Date | null }
const rows = (it: TestAuth) => it.sql<KeyRow>('SELECT * FROM signing_keys ORDER BY not_before')
const published = async (it: TestAuth): Promise<string[]> =>
  (await it.get('/.well-known/jwks.json')).body.keys.map(({ kid }: { kid: string }) => kid)
const kidOf = (token: string) => decodeProtectedHeader(token).kid
const rotate = (it: TestAuth) => it.runtime.as(() => it.auth.rotateSigningKeys())
const opened = (it: TestAuth, { kid, private_sealed }: KeyRow) => {
  const bound = { table: 'signing_keys', column: 'private_sealed', row: kid }
  return JSON.parse(it.runtime.keys.open('signing-key', private_sealed, bound).toString())
}

test('processes that start together for the first time agree on one key', async () => {
  const it = await start()
  await it.sql('DELETE FROM signing_keys')
  const others = await Promise.all(Array.from({ length: 4 }, () => start({}, it)))
  const [key, ...more] = await rows(it)
  expect(more).toEqual([])
  for (const other of others) expect(await published(other)).toEqual([key?.kid])
})

test('the private part is stored only under the master key, and published never', async () => {
  const it = await start()
  const [row] = (await rows(it)) as [KeyRow]
  expect(row.private_sealed.toString('latin1')).not.toContain('"d"')
  expect(opened(it, row).d).toMatch(/^[\w-]{43}$/)
  const { keys } = (await it.get('/.well-known/jwks.json')).body
  expect(keys).toEqual([row.public_jwk])
  expect(Object.keys(keys[0]).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
})

test('a new key is published at once, signs after the overlap, and the old one goes when its tokens are over', async () => {
  const it = await start({ accessTokenSeconds: 60 })
  const ada = await person(it, 'ada')
  const old = kidOf(ada.token)
  const began = it.clock.now().getTime()
  const { kid, activeAt } = await rotate(it)
  expect(activeAt.getTime()).toBe(began + 10_000)
  expect((await published(it)).sort()).toEqual([kid, old].sort())

  it.clock.advance(9_999)
  const last = await it.signIn(ada.email)
  expect(kidOf(last.accessToken)).toBe(old)
  it.clock.advance(1)
  const first = await it.signIn(ada.email)
  expect(kidOf(first.accessToken)).toBe(kid)
  for (const token of [ada.token, last.accessToken, first.accessToken]) expect((await standing(it, token))[0]).toBe(200)

  // The private part goes first.
  it.clock.advance(60_000)
  await eventually(async () => expect(opened(it, (await rows(it))[0] as KeyRow)).not.toHaveProperty('d'), 4_000)
  expect((await standing(it, last.accessToken))[0]).toBe(200)
  expect(kidOf((await it.signIn(ada.email)).accessToken)).toBe(kid)
  it.clock.advance(65_000)
  expect(await published(it)).toEqual([kid])
  await eventually(async () => expect(await rows(it)).toHaveLength(1), 4_000)

  const [told] = await it.events('signing_key.rotated')
  expect(told).toMatchObject({ subject: kid, data: { kid, previousKid: old, activeAt: activeAt.toISOString() } })
})

test('keys rotated under load refuse no request, in two processes', async () => {
  const it = await start({ accessTokenSeconds: 60 })
  const other = await start({ accessTokenSeconds: 60 }, it)
  const people = [await person(it, 'client0')]
  for (let i = 1; i < 4; i++) people.push(await person(it, `client${i}`))
  let running = true
  let answered = 0
  const kids = new Set<string | undefined>()
  const refused: unknown[] = []
  const clients = people.map(async (client, i) => {
    const [here, there] = i % 2 ? [it, other] : [other, it]
    while (running) {
      const issuedAt = it.clock.now().getTime()
      await refreshed(here, client).catch((error: unknown) => refused.push(String(error)))
      kids.add(kidOf(client.token))
      for (const server of [here, there, here, there]) {
        const [status, code] = await standing(server, client.token)
        answered += 1
        // A token that was overtaken by the clock is over, whoever signed it.
        if (status !== 200 && it.clock.now().getTime() - issuedAt < 60_000) refused.push([status, code])
      }
    }
  })
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  try {
    for (let rotation = 0; rotation < 3; rotation++) {
      const { kid } = await rotate(rotation % 2 ? other : it)
      await eventually(async () => {
        for (const server of [it, other]) expect(await published(server)).toContain(kid)
      }, 5_000)
      for (let second = 0; second < 20; second++) {
        it.clock.advance(1_000)
        await pause(10)
      }
      await eventually(() => kids.has(kid), 5_000)
    }
  } finally {
    running = false
    await Promise.all(clients)
  }
  expect(refused).toEqual([])
  expect(kids.size).toBe(4)
  expect(answered).toBeGreaterThan(100)
})

test('a command beside a running server rotates its keys, and it takes them up within seconds', async () => {
  const it = await start()
  const command = await createAuth({
    runtime: it.runtime,
    settings: settingsWith({ keyOverlapSeconds: 10 }),
    databaseUrl: it.database.url,
    bus: { publish: async () => undefined } as Partial<Bus> as Bus,
    broadcast: createBroadcast(),
    publicUrl: 'http://localhost:3000',
  })
  const { kid } = await it.runtime.as(() => command.rotateSigningKeys(), { type: 'cli', id: 'root' })
  await command.close()
  await eventually(async () => expect(await published(it)).toContain(kid), 4_000)
  it.clock.advance(10_000)
  const { token } = await person(it, 'ada')
  expect(kidOf(token)).toBe(kid)
  expect((await it.events('signing_key.rotated'))[0]?.actor).toBe('cli:root')
})

test('a key that is old enough is replaced by one process of several', async () => {
  const it = await start({ keyRotationDays: 7 })
  const other = await start({ keyRotationDays: 7 }, it)
  it.clock.advance(7 * 86_400_000 - 1)
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(await rows(it)).toHaveLength(1)
  it.clock.advance(1)
  await eventually(async () => expect(await rows(it)).toHaveLength(2), 5_000)
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(await rows(it)).toHaveLength(2)
  expect((await published(it)).sort()).toEqual((await published(other)).sort())
})

test('several who rotate at once make keys that begin one after the other', async () => {
  const it = await start()
  const made = await Promise.all(Array.from({ length: 5 }, () => rotate(it)))
  expect(new Set(made.map(({ activeAt }) => activeAt.getTime())).size).toBe(5)
  const open = (await rows(it)).filter(({ expires_at }) => expires_at === null)
  expect(open.map(({ kid }) => kid)).toEqual([made.toSorted((a, b) => +b.activeAt - +a.activeAt)[0]?.kid])
})
