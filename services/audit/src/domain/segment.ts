import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { canonicalJson } from '@ashlar/kernel'
import type { Signer } from './checkpoint.ts'
import { GENESIS } from './entry.ts'

/** The part of one chain that lies in a segment; `hash` and `recordedAt` are those of the entry `to`. */
export type ChainPiece = { from: number; to: number; previousHash: string; hash: string; recordedAt: string }

/** Says that these entries were moved out of the store into a file, and how the chains go on behind them. */
export type Segment = {
  name: string
  /** Name of the file in the folder of archives, and SHA-256 of all its bytes. */
  file: string
  sha256: string
  chains: Record<string, ChainPiece>
  archivedAt: string
  /** Fingerprint of the key that signed. */
  key: string
  /** Ed25519 over the canonical JSON of all fields above, in base64. */
  signature: string
}

/** The entry that a chain, or what is left of it, begins behind. */
export type Anchor = { sequence: number; hash: string }

export const GENESIS_ANCHOR: Anchor = { sequence: 0, hash: GENESIS }

const signedPart = ({ signature: _, ...rest }: Segment): Buffer => Buffer.from(canonicalJson(rest))

export const signSegment = (signer: Signer, about: Omit<Segment, 'key' | 'signature'>): Segment => {
  const unsigned: Segment = { ...about, key: signer.fingerprint, signature: '' }
  return { ...unsigned, signature: sign(null, signedPart(unsigned), signer.privateKey).toString('base64') }
}

export const isGenuineSegment = (segment: Segment, publicKey: string | KeyObject): boolean => {
  try {
    const key = typeof publicKey === 'string' ? createPublicKey(publicKey) : publicKey
    return verify(null, signedPart(segment), key, Buffer.from(segment.signature, 'base64'))
  } catch {
    return false
  }
}

export type ArchiveVerdict = {
  /** Where each chain goes on. */
  anchors: Map<string, Anchor>
  bad: { chain: string; sequence: number; reason: 'unsigned' | 'archive_missing' } | undefined
}

/**
 * Follows the chains through what was archived, oldest first. Each segment must be signed, begin where the one before
 * ended, and have its file, unchanged (`intact`).
 */
export const followSegments = async (
  segments: readonly Segment[],
  publicKey: KeyObject,
  intact: (segment: Segment) => Promise<boolean>,
): Promise<ArchiveVerdict> => {
  const anchors = new Map<string, Anchor>()
  for (const segment of segments) {
    const pieces = Object.entries(segment.chains).sort(([one], [other]) => (one < other ? -1 : 1))
    const genuine = isGenuineSegment(segment, publicKey)
    const whole = genuine && (await intact(segment))
    for (const [chain, piece] of pieces) {
      const anchor = anchors.get(chain) ?? GENESIS_ANCHOR
      const follows = piece.from === anchor.sequence + 1 && piece.previousHash === anchor.hash
      if (!genuine || !follows) {
        return { anchors, bad: { chain, sequence: anchor.sequence + 1, reason: 'unsigned' } }
      }
      if (!whole) return { anchors, bad: { chain, sequence: piece.from, reason: 'archive_missing' } }
      anchors.set(chain, { sequence: piece.to, hash: piece.hash })
    }
  }
  return { anchors, bad: undefined }
}
