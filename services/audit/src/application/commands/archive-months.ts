import { createPublicKey } from 'node:crypto'
import type { Signer } from '../../domain/checkpoint.ts'
import { type ChainPiece, followSegments, type Segment, signSegment } from '../../domain/segment.ts'
import type { AuditStore, MonthVault } from '../ports.ts'
import { type ExportHeader, exportLines, signHeader } from '../queries/export-trail.ts'
import type { VerifyResult } from '../queries/verify-trail.ts'
import { storedTrail, type TrailDeps } from '../trail.ts'

/** Where archived months lie: whole and on the disk when `write` resolves. */
export type ArchiveFolder = {
  write(
    file: string,
    lines: ReturnType<typeof exportLines>,
    onProgress?: (entries: number) => void,
  ): Promise<{ entries: number; sha256: string }>
  verify(file: string): Promise<VerifyResult>
}

export type ArchiveMonthsDeps = {
  store: AuditStore
  trail: TrailDeps
  signer: Signer
  folder: ArchiveFolder
  now: () => Date
}

export type ArchiveMonths = (input: {
  /** `YYYY-MM`: this month and all before it that are not archived yet. */
  through: string
  /** Of the role that owns the tables: the service's own may remove nothing. */
  vault: MonthVault
  onProgress?: (entries: number) => void
}) => Promise<{ name: string; file: string; entries: number }[]>

/**
 * Moves whole months out of the store, oldest first: writes and verifies the file, signs what is in it and where the
 * chains go on, and only then takes the entries away. Throws, with nothing taken away, where a month is not over, not
 * signed or not whole.
 */
export const archiveMonths =
  (deps: ArchiveMonthsDeps): ArchiveMonths =>
  async ({ through, vault, onProgress }) => {
    for (const writer of deps.trail.writers().values()) await writer.checkpoint()
    const archived: Awaited<ReturnType<ArchiveMonths>> = []
    for (const month of await vault.ended(endOf(through), deps.now())) {
      const chains = await vault.pieces(month)
      await expectNext(deps, chains)
      const file = `${month}.ndjson`
      const header = headerOf(deps, chains)
      const lines = exportLines(header, storedTrail(deps.trail), (ids) => deps.store.sealed(ids))
      const { entries, sha256 } = await deps.folder.write(file, lines, onProgress)
      const { valid, firstBad } = await deps.folder.verify(file)
      if (!valid) {
        throw new Error(`${month} is not whole: chain ${firstBad?.chain}, ${firstBad?.sequence}, ${firstBad?.reason}`)
      }
      const archivedAt = deps.now().toISOString()
      await vault.takeAway(month, signSegment(deps.signer, { name: month, file, sha256, chains, archivedAt }))
      archived.push({ name: month, file, entries })
    }
    return archived
  }

const endOf = (through: string): Date => {
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(through)
  if (!match) throw new Error(`Not a month of the form YYYY-MM: ${through}`)
  return new Date(Date.UTC(Number(match[1]), Number(match[2]), 1))
}

/** Each chain goes on exactly where the archives end, and a checkpoint vouches for all that is taken away. */
const expectNext = async (
  { store, signer, trail }: ArchiveMonthsDeps,
  chains: Record<string, ChainPiece>,
): Promise<void> => {
  const { anchors, bad } = await followSegments(await store.segments(), createPublicKey(signer.publicKey), trail.intact)
  if (bad) throw new Error(`An earlier archive is not whole: chain ${bad.chain}, ${bad.sequence}, ${bad.reason}`)
  for (const [chain, { from, to }] of Object.entries(chains)) {
    const expected = (anchors.get(chain)?.sequence ?? 0) + 1
    if (from !== expected) throw new Error(`Chain ${chain} should go on with ${expected}, not with ${from}`)
    const signed = (await store.lastCheckpoint(chain))?.to ?? 0
    if (signed < to) throw new Error(`Chain ${chain} is signed up to ${signed} only, not to ${to}`)
  }
}

const headerOf = ({ signer, now }: ArchiveMonthsDeps, pieces: Segment['chains']): ExportHeader => {
  const chains: Record<string, number> = {}
  const begins: NonNullable<ExportHeader['begins']> = {}
  for (const [chain, { from, to, previousHash }] of Object.entries(pieces)) {
    chains[chain] = to
    begins[chain] = { sequence: from - 1, hash: previousHash }
  }
  return signHeader(signer, { exportedAt: now().toISOString(), chains, begins })
}
