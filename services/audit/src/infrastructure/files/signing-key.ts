import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Signer, signerOf } from '../../domain/checkpoint.ts'

/**
 * The Ed25519 key of the checkpoints, PKCS#8 in PEM, readable by its owner alone. Made where there is none; a key that
 * exists is never replaced, and of two processes that start at once both use the one that was made.
 */
export const loadSigner = async (path: string): Promise<Signer> => {
  const existing = await read(path)
  if (existing) return signerOf(existing)

  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const { privateKey } = generateKeyPairSync('ed25519')
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(draft)
  }
  const made = await read(path)
  if (!made) throw new Error(`The signing key ${path} disappeared while it was made`)
  return signerOf(made)
}

const read = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
