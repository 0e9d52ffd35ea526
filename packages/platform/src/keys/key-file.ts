import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * The text of a key file, readable by its owner alone; made by `make` where there is none. A file that exists is
 * never replaced; of two processes that start at once, one makes it and both use it.
 */
export const loadKeyFile = async (path: string, make: () => string): Promise<string> => {
  const existing = await read(path)
  if (existing !== undefined) return existing

  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(make())
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    // link() fails when the name exists: unlike rename() it cannot replace a key that already seals something.
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(draft)
  }
  await syncFolder(folder)
  const made = await read(path)
  if (made === undefined) throw new Error(`the key file ${path} disappeared while it was made`)
  return made
}

const read = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })

/** Without it a power cut may take the name of the file away after something was sealed with its key. */
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
