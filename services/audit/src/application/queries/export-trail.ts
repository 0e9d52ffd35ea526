import { createPublicKey, sign, verify } from 'node:crypto'
import { canonicalJson } from '@ashlar/kernel'
import type { Checkpoint, Signer } from '../../domain/checkpoint.ts'
import type { Entry } from '../../domain/entry.ts'
import type { Anchor } from '../../domain/segment.ts'
import type { SealedFields } from '../ports.ts'
import type { Trail } from './verify-trail.ts'

export type ExportHeader = {
  kind: 'header'
  format: 'ashlar-trail-1'
  exportedAt: string
  /** PEM; who wants to be sure holds it against a copy of their own. */
  publicKey: string
  fingerprint: string
  /** Last sequence of each chain in the file. */
  chains: Record<string, number>
  /** What the first entry of a chain in the file follows, where that is not its first one. */
  begins?: Record<string, Anchor>
  /** Ed25519 over the canonical JSON of the rest of this line: how long the export was cannot be changed either. */
  signature: string
}

export type ExportLine =
  | ExportHeader
  | ({ kind: 'entry' } & Entry)
  | ({ kind: 'checkpoint' } & Checkpoint)
  /** In archives only, which take the place of what was in the store: unreadable without the key of the person. */
  | { kind: 'sealed'; entryId: string; person: string; sealed: string }

const signedPart = ({ signature: _, ...rest }: ExportHeader): Buffer => Buffer.from(canonicalJson(rest))

export const signHeader = (
  signer: Signer,
  about: Pick<ExportHeader, 'exportedAt' | 'chains' | 'begins'>,
): ExportHeader => {
  const { publicKey, fingerprint, privateKey } = signer
  const header: ExportHeader = {
    kind: 'header',
    format: 'ashlar-trail-1',
    publicKey,
    fingerprint,
    ...about,
    signature: '',
  }
  return { ...header, signature: sign(null, signedPart(header), privateKey).toString('base64') }
}

export const isGenuineHeader = (header: ExportHeader, publicKey: string): boolean => {
  try {
    return verify(null, signedPart(header), createPublicKey(publicKey), Buffer.from(header.signature, 'base64'))
  } catch {
    return false
  }
}

const SEALED_AT_ONCE = 500

/**
 * The lines of an export: header, then chain by chain the entries and, behind them, their checkpoints. `sealedOf` adds
 * what is sealed beside the entries.
 */
export async function* exportLines(
  header: ExportHeader,
  trail: Pick<Trail, 'entries' | 'checkpoints'>,
  sealedOf?: (entryIds: readonly string[]) => Promise<SealedFields[]>,
): AsyncGenerator<{ line: string; entry: boolean }> {
  const write = (line: ExportLine) => `${canonicalJson(line)}\n`
  async function* sealedLines(ids: string[]) {
    if (!sealedOf || ids.length === 0) return
    for (const { sealed, ...of } of await sealedOf(ids)) {
      yield { line: write({ kind: 'sealed', ...of, sealed: sealed.toString('base64') }), entry: false }
    }
  }

  yield { line: write(header), entry: false }
  for (const [chain, through] of Object.entries(header.chains)) {
    const after = header.begins?.[chain]?.sequence ?? 0
    let ids: string[] = []
    for await (const entry of trail.entries(chain)) {
      if (entry.sequence > through) break
      yield { line: write({ kind: 'entry', ...entry }), entry: true }
      if (sealedOf) ids.push(entry.id)
      if (ids.length < SEALED_AT_ONCE) continue
      yield* sealedLines(ids)
      ids = []
    }
    yield* sealedLines(ids)
    for (const copy of trail.checkpoints(chain)) {
      for await (const checkpoint of copy) {
        if (checkpoint.from > through) break
        if (checkpoint.to > after) yield { line: write({ kind: 'checkpoint', ...checkpoint }), entry: false }
      }
    }
  }
}
