import { randomBytes } from 'node:crypto'
import { chown, lstat, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { copyTree, sync } from './copy.ts'
import { recordPlace, type Site } from './place.ts'
import { runToEnd } from './regime.ts'
import { scramVerifier } from './scram.ts'

/** What a copy of a cluster must not carry over: the traces of the server that ran it. */
const TRACES: ReadonlySet<string> = new Set(['postmaster.pid', 'postmaster.opts'])

/**
 * Makes the cluster if there is none. It is built under another name and renamed when it is complete and on the
 * disk, so a start that was cut off at any instant is repaired by the next one. Each attempt has a name of its
 * own: an initdb that outlived its parent never writes into what a later one builds.
 */
export const ensureInitialised = async (
  dataDir: string,
  { place, regime }: Site,
  options: { adminRole: string; adminPassword: string; durable: boolean; template: string | undefined },
): Promise<void> => {
  const home = dirname(place)
  const drafts = `${basename(place)}.new-`
  for (const name of await readdir(home).catch(() => [])) {
    if (name.startsWith(drafts))
      await rm(join(home, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => {})
  }
  if (await exists(join(place, 'PG_VERSION'))) return recordPlace(dataDir, place)
  if (await exists(place)) throw new Error(`${place} exists and is no PostgreSQL cluster. Move it away.`)

  const draft = join(home, `${drafts}${randomBytes(6).toString('hex')}`)
  const { owner } = regime
  const { durable, template } = options
  try {
    if (template === undefined) {
      await mkdir(draft, { mode: 0o700 })
      if (owner) await chown(draft, owner.uid, owner.gid)
      await initdb(draft, { place, regime }, options)
    } else {
      if (!(await exists(join(template, 'PG_VERSION'))))
        throw new Error(`The template ${template} is no PostgreSQL cluster.`)
      if (await exists(join(template, 'postmaster.pid')))
        throw new Error(`The template ${template} is in use, or was not stopped.`)
      await copyTree(template, draft, { ...(owner && { owner }), durable, skip: TRACES })
    }
    await rename(draft, place)
    if (durable) await sync(home)
  } catch (error) {
    await rm(draft, { recursive: true, force: true, maxRetries: 3 }).catch(() => {})
    throw error
  }
  await recordPlace(dataDir, place)
}

/** initdb brings its files to the disk itself. What lies in the password file is a verifier, not the password. */
const initdb = async (
  draft: string,
  { regime }: Site,
  { adminRole, adminPassword, durable }: { adminRole: string; adminPassword: string; durable: boolean },
): Promise<void> => {
  const passwordFile = `${draft}.pw`
  try {
    await writeFile(passwordFile, `${await scramVerifier(adminPassword)}\n`, { mode: 0o600 })
    if (regime.owner) await chown(passwordFile, regime.owner.uid, regime.owner.gid)
    await runToEnd(regime, [
      join(regime.bin, 'initdb'),
      `--pgdata=${draft}`,
      `--username=${adminRole}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      // The built-in provider sorts and folds alike on every system, so a backup may move between them.
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--no-instructions',
      ...(durable ? [] : ['--no-sync']),
    ])
  } finally {
    await rm(passwordFile, { force: true })
  }
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )
