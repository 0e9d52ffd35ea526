import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ClusterState, runningClusterPort, startCluster } from './index.ts'
import {
  isGone,
  onLinux,
  optionsFor,
  pathWithout,
  query,
  recordingLog,
  scratch,
  serversOf,
  startChild,
  until,
} from './scenario.fixture.ts'

const { dir, clean } = scratch()
let template: string

beforeAll(async () => {
  const made = await dir()
  await (await startCluster(optionsFor(made))).stop()
  template = join(made, 'postgres')
})
afterAll(clean)

/** A session that computes without looking up, so it does not notice that its server is gone. */
const keepBusy = async (url: string): Promise<number> => {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  client.query(`SELECT count(*) FROM generate_series(1, 1e12::bigint)`).catch(() => {})
  await sleep(200)
  return rows[0]?.pid ?? 0
}

describe('a server that is killed', () => {
  test('is started again on the same port, also while one of its backends is busy, and keeps what it confirmed', async () => {
    const dataDir = await dir()
    const log = recordingLog()
    const cluster = await startCluster(optionsFor(dataDir, { template, durable: true, log }))
    const states: ClusterState[] = []
    const silence = cluster.onState((state) => states.push(state))
    await query(cluster.url('postgres'), 'CREATE TABLE kept AS SELECT 42 AS n')

    for (const busy of [false, true]) {
      const backend = busy ? await keepBusy(cluster.url('postgres')) : 0
      const before = cluster.pid ?? 0
      process.kill(before, 'SIGKILL')
      await until(() => cluster.state === 'recovering')
      await until(() => cluster.state === 'ready')
      expect(cluster.pid).not.toBe(before)
      expect(await query(cluster.url('postgres'), 'SELECT n FROM kept')).toEqual([{ n: 42 }])
      if (busy) expect(await isGone(backend)).toBe(true)
      expect(serversOf(join(dataDir, 'postgres'))).toEqual([cluster.pid])
    }
    expect(states).toEqual(['recovering', 'ready', 'recovering', 'ready'])
    silence()
    await cluster.stop()
    expect(states).toHaveLength(4)
    expect(log.lines.length).toBeLessThan(10)
  })

  test('is tried again with pauses when it cannot start, without a flood of lines, and a stop ends the trying', async () => {
    const dataDir = await dir()
    const log = recordingLog()
    const cluster = await startCluster(optionsFor(dataDir, { template, log }))
    const settings = join(dataDir, 'postgres', 'ashlar.conf')
    appendFileSync(settings, "\nno_such_setting = 'x'\n")
    process.kill(cluster.pid ?? 0, 'SIGKILL')
    await sleep(2_500)
    expect(cluster.state).toBe('recovering')
    expect(log.lines.length).toBeLessThan(8)
    await cluster.stop()
    expect(cluster.state).toBe('stopped')
    expect(serversOf(join(dataDir, 'postgres'))).toEqual([])

    // The settings are written anew by a start, so the same command repairs it.
    const again = await startCluster(optionsFor(dataDir))
    expect(again.state).toBe('ready')
    await again.stop()
  })

  test('is stopped within its grace even though a backend is busy', async () => {
    const dataDir = await dir()
    const cluster = await startCluster(optionsFor(dataDir, { template }))
    await keepBusy(cluster.url('postgres'))
    const pid = cluster.pid ?? 0
    await cluster.stop()
    expect(await isGone(pid)).toBe(true)
  })
})

describe.runIf(onLinux)('a program that is killed', () => {
  test('takes its server along, and a start right after it finds exactly one', async () => {
    const dataDir = await dir()
    for (let round = 0; round < 3; round++) {
      const child = startChild({ dataDir, template, durable: true })
      const { pid, url } = await child.said
      if (round === 1) await keepBusy(url)
      child.process.kill('SIGKILL')
      await child.ended
      if (round === 2) await until(() => isGone(pid))
    }
    const cluster = await startCluster(optionsFor(dataDir))
    expect(serversOf(join(dataDir, 'postgres'))).toEqual([cluster.pid])
    await cluster.stop()
    expect(serversOf(join(dataDir, 'postgres'))).toEqual([])
  })

  test('leaves its server where there is no setpriv; the next start knows it, ends it and its backends', async () => {
    const dataDir = await dir()
    const path = await pathWithout(dataDir, ['setpriv'])
    const child = startChild({ dataDir, template }, { path })
    const { pid, port, url } = await child.said
    const backend = await keepBusy(url)
    child.process.kill('SIGKILL')
    await child.ended
    await sleep(200)
    expect(await isGone(pid)).toBe(false)
    expect(await runningClusterPort(dataDir)).toBe(port)

    const log = recordingLog()
    const cluster = await startCluster(optionsFor(dataDir, { log }))
    expect(log.lines.join()).toMatch(/earlier run left/)
    expect(await isGone(pid)).toBe(true)
    expect(await isGone(backend)).toBe(true)
    expect(serversOf(join(dataDir, 'postgres'))).toEqual([cluster.pid])
    await cluster.stop()
  })

  test('and its server with it, leaves a busy backend that the next start ends', async () => {
    const dataDir = await dir()
    const path = await pathWithout(dataDir, ['setpriv'])
    const child = startChild({ dataDir, template }, { path })
    const { pid, url } = await child.said
    const backend = await keepBusy(url)
    child.process.kill('SIGKILL')
    process.kill(pid, 'SIGKILL')
    await child.ended
    expect(await isGone(backend)).toBe(false)
    const cluster = await startCluster(optionsFor(dataDir))
    expect(await isGone(backend)).toBe(true)
    await cluster.stop()
  })

  test('does not share its terminal with the server: Ctrl-C reaches the program alone', async () => {
    const dataDir = await dir()
    const cluster = await startCluster(optionsFor(dataDir, { template }))
    const session = execFileSync('ps', ['-o', 'sid=', '-p', String(cluster.pid)], { encoding: 'utf8' }).trim()
    expect(session).toBe(String(cluster.pid))
    await cluster.stop()
  })
})

describe.runIf(onLinux)('a pid file', () => {
  test.each([
    ['of a living stranger', (place: string) => `${process.pid}\n${place}\n1700000000\n5432\n\n127.0.0.1\n\nready\n`],
    ['with nothing in it', () => ''],
    ['of nobody', (place: string) => `4194303\n${place}\n1700000000\n5432\n\n127.0.0.1\n\nready\n`],
  ])('%s neither blocks a start nor kills anybody', async (_name, content) => {
    const dataDir = await dir()
    await (await startCluster(optionsFor(dataDir, { template }))).stop()
    const place = join(dataDir, 'postgres')
    writeFileSync(join(place, 'postmaster.pid'), content(place))
    const cluster = await startCluster(optionsFor(dataDir))
    expect(cluster.state).toBe('ready')
    await cluster.stop()
  })

  test('of a program that only calls itself postgres does not get that program killed', async () => {
    const dataDir = await dir()
    await (await startCluster(optionsFor(dataDir, { template }))).stop()
    const place = join(dataDir, 'postgres')
    const decoy = spawn('sleep', ['60'], { argv0: '/elsewhere/postgres' })
    const shell = spawn('sleep', ['60'], { cwd: place })
    writeFileSync(join(place, 'postmaster.pid'), `${decoy.pid}\n${place}\n1700000000\n5432\n\n127.0.0.1\n\nready\n`)
    const cluster = await startCluster(optionsFor(dataDir))
    await cluster.stop()
    expect([decoy.exitCode, decoy.signalCode, shell.exitCode, shell.signalCode]).toEqual([null, null, null, null])
    decoy.kill()
    shell.kill()
  })
})

describe('a first start that is cut off', () => {
  test('at any instant is repaired by the same command', async () => {
    const dataDir = await dir()
    for (const afterMs of [150, 300, 450, 600, 750, 900, 1100]) {
      const child = startChild({ dataDir, durable: true, databases: [{ name: 'auth', connect: [] }] })
      await sleep(afterMs)
      child.process.kill('SIGKILL')
      await child.ended
    }
    mkdirSync(join(dataDir, 'postgres.new-0123'), { recursive: true })
    const cluster = await startCluster(optionsFor(dataDir, { databases: [{ name: 'auth', connect: [] }] }))
    expect(await query(cluster.url('auth'), 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(serversOf(join(dataDir, 'postgres'))).toEqual([cluster.pid])
    await cluster.stop()
    expect(readdirSync(dataDir).filter((name) => name.includes('.new'))).toEqual([])
  })

  test('leaves what it does not know alone', async () => {
    const dataDir = await dir()
    mkdirSync(join(dataDir, 'postgres'))
    writeFileSync(join(dataDir, 'postgres', 'precious'), 'x')
    await expect(startCluster(optionsFor(dataDir))).rejects.toThrow(/no PostgreSQL cluster/)
    await expect(startCluster(optionsFor(dataDir))).rejects.toThrow(/no PostgreSQL cluster/)
  })
})
