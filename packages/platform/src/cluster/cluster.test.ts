import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { DataDirInUse, findRunning, lockDataDir, runningClusterPort, startCluster } from './index.ts'
import {
  isGone,
  optionsFor,
  query,
  recordingLog,
  scratch,
  serversOf,
  startChild,
  textOf,
  until,
} from './scenario.fixture.ts'

const { dir, clean } = scratch()
afterAll(clean)

const role = (name: string) => ({ name, password: `${name}'s "word"` })

describe('a cluster', () => {
  test('is made on the first start, keeps its port and its data, and leaves nothing after a stop', async () => {
    const dataDir = await dir()
    const options = optionsFor(dataDir, {
      durable: true,
      databases: [{ name: 'auth', connect: ['auth'] }],
      roles: [
        { ...role('auth'), connectionLimit: 7, settings: { transaction_timeout: '30s', search_path: 'auth, public' } },
        role('bus'),
      ],
    })
    const first = await startCluster(options)
    expect(first.state).toBe('ready')
    expect(await runningClusterPort(dataDir)).toBe(first.port)
    expect((await findRunning(dataDir))?.pid).toBe(process.pid)
    await query(first.url('auth'), 'CREATE TABLE kept AS SELECT 42 AS n')
    const pid = first.pid ?? 0
    await first.stop()
    await first.stop()
    expect(first.state).toBe('stopped')
    expect(first.pid).toBeUndefined()
    expect(await isGone(pid)).toBe(true)
    expect(await findRunning(dataDir)).toBeUndefined()
    expect(await runningClusterPort(dataDir)).toBeUndefined()

    const begun = performance.now()
    const second = await startCluster(options)
    expect(performance.now() - begun).toBeLessThan(5_000)
    expect(second.port).toBe(first.port)
    expect(await query(second.url('auth'), 'SELECT n FROM kept')).toEqual([{ n: 42 }])
    const shown = await query<{ name: string; setting: string }>(
      second.url('auth'),
      `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_level',
       'max_replication_slots', 'listen_addresses', 'unix_socket_directories', 'data_checksums', 'log_error_verbosity') ORDER BY name`,
    )
    expect(Object.fromEntries(shown.map(({ name, setting }) => [name, setting]))).toEqual({
      data_checksums: 'on',
      fsync: 'on',
      full_page_writes: 'on',
      listen_addresses: '127.0.0.1',
      log_error_verbosity: 'terse',
      max_replication_slots: '32',
      synchronous_commit: 'on',
      unix_socket_directories: '',
      wal_level: 'logical',
    })
    expect(await query(second.url('auth', 'auth'), 'SHOW search_path')).toEqual([{ search_path: 'auth, public' }])
    expect(await query(second.url('auth', 'auth'), 'SHOW transaction_timeout')).toEqual([
      { transaction_timeout: '30s' },
    ])
    await expect(query(second.url('auth', 'bus'), 'SELECT 1')).rejects.toThrow(/permission denied/)
    await expect(query(second.url('postgres', 'bus'), 'SELECT 1')).rejects.toThrow(/permission denied/)
    expect(() => second.url('auth', 'nobody')).toThrow(/no role/)
    await second.stop()
  })

  test('takes new passwords, attributes, settings and grants at the next start, and writes nothing without a change', async () => {
    const dataDir = await dir()
    const before = optionsFor(dataDir, {
      databases: [{ name: 'audit', connect: ['audit', 'reader'] }],
      roles: [{ ...role('audit'), replication: true, settings: { lock_timeout: '5s' } }, role('reader')],
    })
    await (await startCluster(before)).stop()
    const same = await startCluster(before)
    const lsn = 'SELECT pg_current_wal_insert_lsn() - redo_lsn AS bytes FROM pg_control_checkpoint()'
    const [written] = await query<{ bytes: string }>(same.url('postgres'), lsn)
    expect(Number(written?.bytes)).toBeLessThan(1_000)
    await same.stop()

    const after = await startCluster({
      ...before,
      adminPassword: 'another',
      settings: { work_mem: '7MB' },
      databases: [{ name: 'audit', connect: ['audit'] }],
      roles: [{ name: 'audit', password: 'changed' }, role('reader')],
    })
    expect(await query(after.url('audit', 'audit'), 'SHOW lock_timeout')).toEqual([{ lock_timeout: '0' }])
    expect(await query(after.url('audit', 'audit'), 'SHOW work_mem')).toEqual([{ work_mem: '7MB' }])
    await expect(query(after.url('audit', 'reader'), 'SELECT 1')).rejects.toThrow(/permission denied/)
    const [row] = await query<object>(
      after.url('audit'),
      `SELECT rolreplication AS r FROM pg_roles WHERE rolname = 'audit'`,
    )
    expect(row).toEqual({ r: false })
    await after.stop()
    expect(textOf(join(dataDir, 'postgres.log'))).not.toMatch(/changed|another|SCRAM/)
  })

  test('keeps values of refused statements out of its log', async () => {
    const dataDir = await dir()
    const cluster = await startCluster(
      optionsFor(dataDir, { databases: [{ name: 'auth', connect: ['auth'] }], roles: [role('auth')] }),
    )
    await expect(query(cluster.url('auth', 'auth'), `SELECT 'ada@example.org'::int`)).rejects.toThrow(/ada@/)
    await query(cluster.url('auth'), 'CREATE TABLE t (mail text PRIMARY KEY)')
    await query(cluster.url('auth'), `INSERT INTO t VALUES ('ada@example.org')`)
    await expect(query(cluster.url('auth'), `INSERT INTO t VALUES ('ada@example.org')`)).rejects.toThrow(/duplicate/)
    await cluster.stop()
    const log = textOf(join(dataDir, 'postgres.log'))
    expect(log).toMatch(/duplicate key/)
    expect(log).not.toMatch(/ada@/)
  })

  test('is copied from a template, with another administrator too', async () => {
    const [origin, dataDir] = [await dir(), await dir()]
    const made = await startCluster(optionsFor(origin, { databases: [{ name: 'auth', connect: [] }] }))
    await query(made.url('auth'), 'CREATE TABLE kept AS SELECT 42 AS n')
    await made.stop()
    const log = recordingLog()
    const copy = await startCluster(
      optionsFor(dataDir, { template: join(origin, 'postgres'), adminRole: 'boss', adminPassword: 'x', log }),
    )
    expect(await query(copy.url('auth'), 'SELECT n, current_user::text AS u FROM kept')).toEqual([{ n: 42, u: 'boss' }])
    await copy.stop()
    expect(log.lines.filter((line) => line.includes('administrator'))).toHaveLength(1)
  })

  test('insists on a port that is asked for, and finds another when the remembered one is taken', async () => {
    const [one, two] = [await dir(), await dir()]
    const first = await startCluster(optionsFor(one))
    await expect(startCluster(optionsFor(two, { port: first.port }))).rejects.toThrow(/could not/)
    writeFileSync(join(two, 'postgres.port'), String(first.port))
    const second = await startCluster(optionsFor(two))
    expect(second.port).not.toBe(first.port)
    await Promise.all([first.stop(), second.stop()])
  })
})

describe('one data directory', () => {
  test('is refused to a second start, naming the pid, in this process and in another', async () => {
    const dataDir = await dir()
    const cluster = await startCluster(optionsFor(dataDir))
    await expect(startCluster(optionsFor(dataDir))).rejects.toMatchObject({ name: 'DataDirInUse', pid: process.pid })
    const other = startChild({ dataDir })
    expect(await other.said).toMatchObject({
      error: 'DataDirInUse',
      message: expect.stringContaining(String(process.pid)),
    })
    expect(serversOf(join(dataDir, 'postgres'))).toEqual([cluster.pid])
    await cluster.stop()
  })

  test('goes to exactly one of many that ask at once, and to the next after it', async () => {
    const dataDir = await dir()
    mkdirSync(join(dataDir, 'lock'))
    writeFileSync(
      join(dataDir, 'lock', '7'),
      JSON.stringify({ pid: process.pid, token: 'of an earlier process', since: '' }),
    )
    writeFileSync(join(dataDir, 'lock', '8'), '')
    for (let round = 0; round < 5; round++) {
      const asked = await Promise.allSettled(Array.from({ length: 20 }, () => lockDataDir(dataDir)))
      const won = asked.filter((one) => one.status === 'fulfilled')
      expect(won).toHaveLength(1)
      expect(asked.filter((one) => one.status === 'rejected' && one.reason instanceof DataDirInUse)).toHaveLength(19)
      await won[0]?.value.release()
      expect(await findRunning(dataDir)).toBeUndefined()
    }
    expect(readdirSync(join(dataDir, 'lock'))).toEqual([])
  })

  test('stays locked after a stop when the lock is the caller’s', async () => {
    const dataDir = await dir()
    const lock = await lockDataDir(dataDir)
    await (await startCluster(optionsFor(dataDir, { lock }))).stop()
    expect((await findRunning(dataDir))?.pid).toBe(process.pid)
    await lock.release()
    await until(async () => (await findRunning(dataDir)) === undefined)
  })
})
