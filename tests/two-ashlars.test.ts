import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runtimeOf } from '../apps/server/src/commands/session.ts'
import { loadConfiguration } from '../apps/server/src/config.ts'
import { type Running, startServer } from '../apps/server/src/main.ts'
import { freePort, Instance, postgresServersBelow, sleep } from './support/instance.ts'
import { call, newPerson } from './support/person.ts'

const folders: string[] = []

afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

const startHere = async (): Promise<{ running: Running; instance: Instance }> => {
  const instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'error', ASHLAR_PORT: String(await freePort()) })
  folders.push(join(instance.dataDir, '..'))
  const configuration = loadConfiguration(instance.env)
  const runtime = await runtimeOf(configuration, { level: 'error' })
  const running = await startServer(configuration, runtime)
  Object.assign(instance, { port: running.port })
  return { running, instance }
}

/** What keeps the event loop alive, without the test runner's own. */
const handles = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Process|FSEvent|UDP/.test(name))

test('two Ashlars in one process serve side by side and close without a leftover handle', async () => {
  const before = handles()
  const [one, two] = await Promise.all([startHere(), startHere()])
  const ada = await newPerson(one.instance, 'ada')
  const bob = await newPerson(two.instance, 'bob')

  expect((await call(one.instance, 'GET', '/auth/profile', { token: ada.accessToken })).body.email).toBe(ada.email)
  expect((await call(two.instance, 'GET', '/auth/profile', { token: bob.accessToken })).body.email).toBe(bob.email)
  for (const [instance, stranger] of [
    [one.instance, bob],
    [two.instance, ada],
  ] as const) {
    expect((await call(instance, 'GET', '/auth/profile', { token: stranger.accessToken })).status).toBe(401)
    const login = await call(instance, 'POST', '/auth/login', {
      body: { email: stranger.email, password: stranger.password },
    })
    expect(login.status).toBe(401)
  }

  await one.running.stop()
  expect((await call(two.instance, 'GET', '/auth/profile', { token: bob.accessToken })).status).toBe(200)
  await two.running.stop()
  for (const { instance } of [one, two]) expect(await postgresServersBelow(instance.dataDir)).toEqual([])

  // The client side of these tests keeps idle sockets for some seconds; they end by themselves.
  const leftOver = (): string[] => {
    const known = [...before]
    return handles().filter((name) => !known.includes(name) || !known.splice(known.indexOf(name), 1))
  }
  for (let tries = 0; tries < 100 && leftOver().length > 0; tries++) await sleep(100)
  expect(leftOver()).toEqual([])
})
