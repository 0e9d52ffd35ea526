import { constants } from 'node:fs'
import { chmod, copyFile, lchown, lstat, mkdir, open, readdir, readlink, symlink } from 'node:fs/promises'
import { join } from 'node:path'

export type Owner = { uid: number; gid: number }

/**
 * Copies a folder with its modes and links, sharing the blocks where the file system can. With `durable` the copy
 * is on the disk when this returns, so that a rename afterwards never shows an incomplete one.
 */
export const copyTree = async (
  source: string,
  target: string,
  options: { owner?: Owner; durable?: boolean; skip?: ReadonlySet<string> },
): Promise<void> => {
  const { mode } = await lstat(source)
  await mkdir(target, { recursive: true, mode: 0o700 })
  const entries = await readdir(source, { withFileTypes: true })
  await Promise.all(
    entries.map(async (entry) => {
      if (options.skip?.has(entry.name)) return
      const [from, to] = [join(source, entry.name), join(target, entry.name)]
      if (entry.isDirectory()) return copyTree(from, to, options)
      if (entry.isSymbolicLink()) await symlink(await readlink(from), to)
      else if (entry.isFile()) await copyFile(from, to, constants.COPYFILE_FICLONE)
      else return
      if (options.owner) await lchown(to, options.owner.uid, options.owner.gid)
      if (options.durable && entry.isFile()) await sync(to)
    }),
  )
  await chmod(target, mode & 0o777)
  if (options.owner) await lchown(target, options.owner.uid, options.owner.gid)
  if (options.durable) await sync(target)
}

/** Gives a folder to `owner`, the folder itself last: its owner tells whether the work was finished. */
export const chownTree = async (folder: string, owner: Owner): Promise<void> => {
  const entries = await readdir(folder, { withFileTypes: true })
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await chownTree(path, owner)
    else await lchown(path, owner.uid, owner.gid)
  }
  await lchown(folder, owner.uid, owner.gid)
}

/** Brings a file, or the names in a folder, to the disk. */
export const sync = async (path: string): Promise<void> => {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
