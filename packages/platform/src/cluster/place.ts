import { createHash } from 'node:crypto'
import { lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Binaries, copyBinaries } from './binaries.ts'
import { chownTree, copyTree, type Owner, sync } from './copy.ts'
import { ClusterUnavailable } from './errors.ts'
import { canEnter, hasName, isRoot, NOBODY, probe, type Regime } from './regime.ts'
import type { ClusterLog } from './types.ts'

/** Where the cluster lives and as whom it runs there. `place` need not exist yet; its parent does. */
export type Site = { place: string; regime: Regime }

const BASES = ['/var/lib/ashlar', '/var/tmp/ashlar', '/tmp/ashlar']

const pointerOf = (dataDir: string): string => join(dataDir, 'postgres.place')

/** Where a cluster was put for want of a reachable data directory, if it was. */
export const recordedPlace = async (dataDir: string): Promise<string | undefined> => {
  const text = await readFile(pointerOf(dataDir), 'utf8').catch(() => '')
  return text.trim() || undefined
}

export const placeOf = async (dataDir: string): Promise<string> =>
  (await recordedPlace(dataDir)) ?? join(dataDir, 'postgres')

/** Noted once the cluster is complete there; the note is what later starts, and backups, go by. */
export const recordPlace = async (dataDir: string, place: string): Promise<void> => {
  if ((await placeOf(dataDir)) === place) return
  const draft = `${pointerOf(dataDir)}.new`
  await writeFile(draft, `${place}\n`)
  await sync(draft)
  await rename(draft, pointerOf(dataDir))
}

/** Finds the way to run the cluster of a data directory (a real path), by trying. */
export const findSite = async (dataDir: string, binaries: Binaries, log: ClusterLog): Promise<Site> => {
  const place = await placeOf(dataDir)
  const owner = await ownerOf(place)
  if (dirname(place) !== dataDir && owner === undefined) {
    throw new Error(
      `The cluster of ${dataDir} is missing from ${place}. Restore it, or remove ${pointerOf(dataDir)} to begin an empty one.`,
    )
  }
  const folder = owner === undefined ? dirname(place) : place
  if (!isRoot()) return { place, regime: await asOrdinaryUser(binaries, folder, owner !== undefined) }

  if (owner === undefined || owner.uid === 0) {
    const regime = await probe('namespace', binaries.folder, folder)
    if (regime) return { place, regime }
  }
  return asOwner(dataDir, place, owner, binaries, log)
}

const asOrdinaryUser = async (binaries: Binaries, folder: string, exists: boolean): Promise<Regime> => {
  if (hasName()) {
    const regime = await probe('direct', binaries.folder, folder)
    if (regime) return regime
    throw new ClusterUnavailable(`${join(binaries.folder, 'bin', 'postgres')} does not run on this system`)
  }
  // Without a name initdb refuses; the server itself, on a cluster that exists, does not.
  const regime =
    (await probe('namespace', binaries.folder, folder)) ??
    (exists ? await probe('direct', binaries.folder, folder) : undefined)
  if (regime) return regime
  throw new ClusterUnavailable(`uid ${process.getuid?.()} has no name in /etc/passwd and user namespaces are forbidden`)
}

/** Root, and no user namespace to be had: another uid, with programs and data where it can reach them. */
const asOwner = async (
  dataDir: string,
  place: string,
  current: Owner | undefined,
  binaries: Binaries,
  log: ClusterLog,
): Promise<Site> => {
  const owner = current === undefined || current.uid === 0 ? NOBODY : current
  if (!(await canEnter(owner, '/'))) {
    throw new ClusterUnavailable(`this is root, user namespaces are forbidden, and uid ${owner.uid} cannot be taken on`)
  }
  if (await canEnter(owner, dirname(place))) {
    const regime = await reachable(binaries, dirname(place), owner)
    if (regime) {
      if (current?.uid === 0) await chownTree(place, owner)
      return { place, regime }
    }
  }
  for (const home of homesOf(dataDir)) {
    if (!(await prepareHome(home, owner))) continue
    const regime = await reachable(binaries, home, owner)
    if (!regime) continue
    const target = join(home, 'postgres')
    if (current !== undefined) await relocate(dataDir, place, target, owner, log)
    return { place: target, regime }
  }
  throw new ClusterUnavailable(
    `this is root, user namespaces are forbidden, and uid ${owner.uid} reaches none of ${BASES.join(', ')}`,
  )
}

/** Derived from the data directory, so that it is found again even if the start ended before it was noted. */
const homesOf = (dataDir: string): string[] => {
  const name = `${basename(dataDir).replace(/^\.+/, '')}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`
  return BASES.map((base) => join(base, name))
}

/** Root's own folders, with passage for everybody: a folder that a stranger laid there is not used. */
const prepareHome = async (home: string, owner: Owner): Promise<boolean> => {
  for (const folder of [dirname(home), home]) {
    await mkdir(folder, { mode: 0o711 }).catch(() => {})
    const stat = await lstat(folder).catch(() => undefined)
    if (!stat?.isDirectory() || stat.uid !== 0 || (stat.mode & 0o022) !== 0) return false
  }
  return canEnter(owner, home)
}

const reachable = async (binaries: Binaries, home: string, owner: Owner): Promise<Regime | undefined> =>
  (await probe('owner', binaries.folder, home, owner)) ??
  (await probe('owner', (await copyBinaries(binaries, home)).folder, home, owner))

/** Moves a stopped cluster. Until the new place is noted the old one is the truth, and is copied anew. */
const relocate = async (
  dataDir: string,
  place: string,
  target: string,
  owner: Owner,
  log: ClusterLog,
): Promise<void> => {
  log.info({ from: place, to: target }, 'moving the PostgreSQL cluster to where it can run')
  const draft = `${target}.new`
  await rm(draft, { recursive: true, force: true })
  await copyTree(place, draft, { owner, durable: true })
  await rm(target, { recursive: true, force: true })
  await rename(draft, target)
  await sync(dirname(target))
  await recordPlace(dataDir, target)
  await rename(place, `${place}.moved`)
  await rm(`${place}.moved`, { recursive: true, force: true })
}

const ownerOf = async (path: string): Promise<Owner | undefined> => {
  const stat = await lstat(path).catch(() => undefined)
  return stat && { uid: stat.uid, gid: stat.gid }
}
