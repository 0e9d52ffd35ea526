import { spawn } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { startCluster } from './index.ts'
import { recordedPlace } from './place.ts'
import {
  canDropTo65534,
  hasUserNamespaces,
  isRoot,
  optionsFor,
  pathWithout,
  query,
  runOnce,
  type Said,
  scratch,
  serversOf,
  startChild,
  until,
} from './scenario.fixture.ts'

const { dir, clean } = scratch()
afterAll(clean)

const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--']

describe('who runs the cluster', () => {
  test.runIf(canDropTo65534)('an ordinary user: directly', async () => {
    const dataDir = await dir()
    chownSync(dataDir, 65534, 65534)
    expect(await runOnce({ dataDir }, { before: asNobody })).toMatchObject({ port: expect.any(Number) })
    expect(await runOnce({ dataDir }, { before: asNobody })).toMatchObject({ port: expect.any(Number) })
    expect(lstatSync(join(dataDir, 'postgres')).uid).toBe(65534)
  })

  test.runIf(canDropTo65534 && hasUserNamespaces())(
    'a user without a name: in a namespace, files stay its own',
    async () => {
      const dataDir = await dir()
      chownSync(dataDir, 54321, 54321)
      const before = ['setpriv', '--reuid', '54321', '--regid', '54321', '--clear-groups', '--']
      expect(await runOnce({ dataDir }, { before })).toMatchObject({ port: expect.any(Number) })
      expect(lstatSync(join(dataDir, 'postgres')).uid).toBe(54321)
      // The server needs no name, initdb does: a cluster that exists starts even where namespaces are forbidden.
      const path = await pathWithout(await dir(), ['unshare'])
      expect(await runOnce({ dataDir }, { before, path })).toMatchObject({ port: expect.any(Number) })
      const other = await dir()
      chownSync(other, 54321, 54321)
      expect(await runOnce({ dataDir: other }, { before, path })).toMatchObject({ error: 'ClusterUnavailable' })
    },
  )

  test.runIf(isRoot && hasUserNamespaces())(
    'root: in a namespace, also below a closed home, files stay root’s',
    async () => {
      const home = await dir()
      chmodSync(home, 0o700)
      const dataDir = join(home, 'clone', '.ashlar')
      const cluster = await startCluster(optionsFor(dataDir))
      expect(await query(cluster.url('postgres'), 'SELECT 1 AS one')).toEqual([{ one: 1 }])
      expect(lstatSync(join(dataDir, 'postgres')).uid).toBe(0)
      await cluster.stop()
    },
  )

  test.runIf(isRoot)('root without namespaces: another uid, in place where it can get there', async () => {
    const dataDir = await dir()
    chmodSync(dataDir, 0o711)
    const path = await pathWithout(await dir(), ['unshare'])
    const { pid } = await runOnce({ dataDir }, { path })
    expect(pid).toBeGreaterThan(0)
    expect(lstatSync(join(dataDir, 'postgres')).uid).toBe(65534)
    expect(await recordedPlace(dataDir)).toBeUndefined()
    // It stays so where namespaces are allowed: the files have their owner.
    const cluster = await startCluster(optionsFor(dataDir))
    expect(lstatSync(join(dataDir, 'postgres', 'ashlar.conf')).uid).toBe(65534)
    await cluster.stop()
  })

  test.runIf(isRoot && hasUserNamespaces())(
    'root without namespaces: a cluster below a closed folder moves with its data',
    async () => {
      const dataDir = await dir()
      chmodSync(dataDir, 0o700)
      const before = await startCluster(optionsFor(dataDir))
      await query(before.url('postgres'), 'CREATE TABLE kept AS SELECT 42 AS n')
      await before.stop()
      const path = await pathWithout(await dir(), ['unshare'])
      const child = startChild({ dataDir }, { path })
      const { url } = await child.said
      expect(await query(url, 'SELECT n FROM kept')).toEqual([{ n: 42 }])
      const elsewhere = (await recordedPlace(dataDir)) ?? ''
      expect(elsewhere).not.toBe('')
      expect(serversOf(elsewhere)).toHaveLength(1)
      expect(() => lstatSync(join(dataDir, 'postgres'))).toThrow(/ENOENT/)
      child.process.kill('SIGTERM')
      await child.ended

      const again = await startCluster(optionsFor(dataDir))
      expect(await query(again.url('postgres'), 'SELECT n FROM kept')).toEqual([{ n: 42 }])
      await again.stop()
      // A cluster that is not where it is noted is a loss to be told of, never an empty one to go on with.
      writeFileSync(join(dataDir, 'postgres.place'), join(elsewhere, 'gone'))
      await expect(startCluster(optionsFor(dataDir))).rejects.toThrow(/is missing from/)
      writeFileSync(join(dataDir, 'postgres.place'), elsewhere)
    },
  )

  test.runIf(isRoot && hasUserNamespaces())('root where the kernel forbids namespaces', async () => {
    const dataDir = await dir()
    chmodSync(dataDir, 0o711)
    expect(await inRestrictedNamespace(dataDir, '0 0 4294967295')).toMatchObject({ port: expect.any(Number) })
    expect(lstatSync(join(dataDir, 'postgres')).uid).toBe(65534)
  })

  test.runIf(isRoot && hasUserNamespaces())('root alone, with no other uid and no namespaces: says so', async () => {
    const dataDir = await dir()
    expect(await inRestrictedNamespace(dataDir, '0 0 1')).toMatchObject({
      error: 'ClusterUnavailable',
      message: expect.stringMatching(/namespaces are forbidden.*ASHLAR_\*_DATABASE_URL/),
    })
  })
})

/** Runs the fixture as root of a namespace with these uids, in which no further namespace can be made. */
const inRestrictedNamespace = async (dataDir: string, uids: string): Promise<Said> => {
  const holder = spawn('unshare', ['-U', 'sleep', '60'])
  try {
    const own = readlinkSync('/proc/self/ns/user')
    await until(() => readlinkSync(`/proc/${holder.pid}/ns/user`) !== own)
    for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${holder.pid}/${map}`, uids)
    const script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    return await runOnce(
      { dataDir },
      { before: ['nsenter', '-U', '-t', String(holder.pid), '--', 'sh', '-c', script, 'sh'] },
    )
  } finally {
    holder.kill('SIGKILL')
  }
}
