import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { type ExportHeader, isGenuineHeader } from '../../application/queries/export-trail.ts'
import { type VerifyResult, verifyTrail } from '../../application/queries/verify-trail.ts'
import type { Checkpoint } from '../../domain/checkpoint.ts'
import type { Entry } from '../../domain/entry.ts'
import { linesOf } from './appended-lines.ts'
import { parseCheckpoint, readCheckpoints } from './checkpoint-file.ts'

/** Writes the lines of an export; the file is whole and on the disk when this resolves. Answers the number of entries. */
export const writeExport = async (
  path: string,
  lines: AsyncIterable<{ line: string; entry: boolean }>,
  onProgress?: (entries: number) => void,
): Promise<{ entries: number; sha256: string }> => {
  const file = await open(path, 'w', 0o600)
  const digest = createHash('sha256')
  let entries = 0
  try {
    let part = ''
    const flush = async () => {
      const bytes = Buffer.from(part)
      part = ''
      digest.update(bytes)
      await file.appendFile(bytes)
      onProgress?.(entries)
    }
    for await (const { line, entry } of lines) {
      part += line
      if (entry) entries += 1
      if (part.length >= 256 * 1024) await flush()
    }
    await flush()
    await file.sync()
  } finally {
    await file.close()
  }
  return { entries, sha256: digest.digest('hex') }
}

/** SHA-256 of all bytes of a file, in hex; undefined where it cannot be read. */
export const digestOfFile = async (path: string): Promise<string | undefined> => {
  const digest = createHash('sha256')
  try {
    for await (const part of createReadStream(path, { highWaterMark: 1024 * 1024 })) digest.update(part as Buffer)
  } catch {
    return undefined
  }
  return digest.digest('hex')
}

export type VerifyExportOptions = {
  /** PEM of the key that must have signed. Without it the export's own key is believed. */
  publicKey?: string
  /** The file that the checkpoints were appended to: shows that an export was cut short. */
  checkpointsFile?: string
  onProgress?: (checked: number) => void
}

/** Checks an export against its signed checkpoints. Needs no database. Throws where the file is no export. */
export const verifyExport = async (path: string, options: VerifyExportOptions = {}): Promise<VerifyResult> => {
  const header = await readHeader(path)
  const { checkpointsFile, onProgress, publicKey = header.publicKey } = options
  const chains = Object.keys(header.chains).sort()
  if (!isGenuineHeader(header, publicKey)) {
    return { valid: false, checked: 0, firstBad: { chain: chains[0] ?? '', sequence: 1, reason: 'unsigned' } }
  }
  const length = (chain: string) => header.chains[chain] ?? 0
  return verifyTrail(
    {
      chains: async () => chains,
      entries: (chain) => readEntries(path, chain),
      checkpoints: (chain) => [
        readExportedCheckpoints(path, chain),
        // Later ones vouch for what came after the export.
        ...(checkpointsFile ? [upTo(length(chain), readCheckpoints(checkpointsFile, chain))] : []),
      ],
      signedThrough: () => Number.POSITIVE_INFINITY,
      length,
      begins: async () => ({ anchors: new Map(Object.entries(header.begins ?? {})), bad: undefined }),
    },
    { publicKey, onProgress },
  )
}

async function* upTo(sequence: number, checkpoints: AsyncIterable<Checkpoint>): AsyncGenerator<Checkpoint> {
  for await (const checkpoint of checkpoints) if (checkpoint.to <= sequence) yield checkpoint
}

const readHeader = async (path: string): Promise<ExportHeader> => {
  for await (const line of linesOf(path)) {
    const header = parse(line) as Partial<ExportHeader> | undefined
    if (header?.kind === 'header' && header.format === 'ashlar-trail-1' && header.chains && header.publicKey) {
      return header as ExportHeader
    }
    break
  }
  throw new Error(`${path} is not an export of a trail`)
}

async function* readEntries(path: string, chain: string): AsyncGenerator<Entry> {
  const mark = `"chain":${JSON.stringify(chain)}`
  for await (const line of linesOf(path)) {
    if (!line.includes(mark)) continue
    const value = parse(line) as (Entry & { kind?: string }) | undefined
    if (value?.kind !== 'entry' || value.chain !== chain) continue
    const { kind: _, ...entry } = value
    yield entry
  }
}

async function* readExportedCheckpoints(path: string, chain: string) {
  for await (const line of linesOf(path)) {
    if (!line.includes('"kind":"checkpoint"')) continue
    const checkpoint = parseCheckpoint(line)
    if (checkpoint?.chain !== chain) continue
    const { kind: _, ...own } = checkpoint as typeof checkpoint & { kind?: string }
    yield own
  }
}

const parse = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
