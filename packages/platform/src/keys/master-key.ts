import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { loadKeyFile } from './key-file.ts'

/**
 * The 32 bytes that wrap all other keys: from `variable` (64 hex digits, or base64) if given, else from
 * `<dataDir>/keys/master`, which is made on the first start.
 */
export const loadMasterKey = async ({ dataDir, variable }: { dataDir: string; variable?: string }): Promise<Buffer> => {
  if (variable !== undefined && variable !== '') return parse(variable, 'the master key variable')
  const path = join(dataDir, 'keys', 'master')
  return parse(await loadKeyFile(path, () => `${randomBytes(32).toString('hex')}\n`), path)
}

const parse = (text: string, where: string): Buffer => {
  const trimmed = text.trim()
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex')
  if (/^[A-Za-z0-9+/]{43}=?$/.test(trimmed)) return Buffer.from(trimmed, 'base64')
  throw new Error(`${where} does not hold a key of 32 bytes (64 hex digits, or base64)`)
}
