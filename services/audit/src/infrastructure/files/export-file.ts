import { open } from 'node:fs/promises'
import { type ExportHeader, exportLines, isGenuineHeader } from '../../application/queries/export-trail.ts'
import { type Trail, type VerifyResult, verifyTrail } from '../../application/queries/verify-trail.ts'
import type { Checkpoint } from '../../domain/checkpoint.ts'
import type { Entry } from '../../domain/entry.ts'
import { linesOf, parseCheckpoint, readCheckpoints } from './checkpoint-file.ts'

/** Writes an export; the file is whole and on the disk when this resolves. Answers the number of entries. */
export const writeExport = async (
  path: string,
  header: ExportHeader,
  trail: Pick<Trail, 'entries' | 'checkpoints'>,
  onProgress?: (entries: number) => void,
): Promise<number> => {
  const file = await open(path, 'w', 0o600)
  let entries = 0
  try {
    let part = ''
    for await (const { line, entry } of exportLines(header, trail)) {
      part += line
      if (entry) entries += 1
      if (part.length < 256 * 1024) continue
      await file.appendFile(part)
      part = ''
      onProgress?.(entries)
    }
    await file.appendFile(part)
    await file.sync()
  } finally {
    await file.close()
  }
  onProgress?.(entries)
  return entries
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
