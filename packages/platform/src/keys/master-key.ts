import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The 32 bytes that wrap all other keys: from `variable` (64 hex digits, or base64) if given, else from
 * `<dataDir>/keys/master`, which is made on the first start, readable by its owner alone.
 * A file that exists is never replaced; of two processes that start at once, one makes it and both use it.
 */
export const loadMasterKey = async ({ dataDir, variable }: { dataDir: string; variable?: string }): Promise<Buffer> => {
  if (variable !== undefined && variable !== '') return parse(variable, 'the master key variable')
  const folder = join(dataDir, 'keys')
  const path = join(folder, 'master')
  const existing = await read(path)
  if (existing) return existing

  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = join(folder, `master.${process.pid}.${randomBytes(4).toString('hex')}`)
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${randomBytes(32).toString('hex')}\n`)
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
  if (!made) throw new Error(`the master key ${path} disappeared while it was made`)
  return made
}

const read = async (path: string): Promise<Buffer | undefined> => {
  try {
    return parse(await readFile(path, 'utf8'), path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

const parse = (text: string, where: string): Buffer => {
  const trimmed = text.trim()
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex')
  if (/^[A-Za-z0-9+/]{43}=?$/.test(trimmed)) return Buffer.from(trimmed, 'base64')
  throw new Error(`${where} does not hold a key of 32 bytes (64 hex digits, or base64)`)
}

/** Without it a power cut may take the name of the file away after something was sealed with its key. */
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
