import { createPublicKey, sign, verify } from 'node:crypto'
import { canonicalJson } from '@ashlar/kernel'
import type { Checkpoint, Signer } from '../../domain/checkpoint.ts'
import type { Entry } from '../../domain/entry.ts'
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
  /** Ed25519 over the canonical JSON of the rest of this line: how long the export was cannot be changed either. */
  signature: string
}

export type ExportLine = ExportHeader | ({ kind: 'entry' } & Entry) | ({ kind: 'checkpoint' } & Checkpoint)

const signedPart = ({ signature: _, ...rest }: ExportHeader): Buffer => Buffer.from(canonicalJson(rest))

export const signHeader = (signer: Signer, about: Pick<ExportHeader, 'exportedAt' | 'chains'>): ExportHeader => {
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

/** The lines of an export: header, then chain by chain the entries and, behind them, their checkpoints. */
export async function* exportLines(
  header: ExportHeader,
  trail: Pick<Trail, 'entries' | 'checkpoints'>,
): AsyncGenerator<{ line: string; entry: boolean }> {
  const write = (line: ExportLine) => `${canonicalJson(line)}\n`
  yield { line: write(header), entry: false }
  for (const [chain, through] of Object.entries(header.chains)) {
    for await (const entry of trail.entries(chain)) {
      if (entry.sequence > through) break
      yield { line: write({ kind: 'entry', ...entry }), entry: true }
    }
    for (const copy of trail.checkpoints(chain)) {
      for await (const checkpoint of copy) {
        if (checkpoint.to > through) break
        yield { line: write({ kind: 'checkpoint', ...checkpoint }), entry: false }
      }
    }
  }
}
