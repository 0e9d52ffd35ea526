import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArchiveFolder } from '../../application/commands/archive-months.ts'
import type { Segment } from '../../domain/segment.ts'
import { digestOfFile, verifyExport, writeExport } from './export-file.ts'

/** The folder of archived months. `publicKey` must have signed them. */
export const archiveFolder = (
  folder: string,
  publicKey: string,
): ArchiveFolder & { intact(segment: Segment): Promise<boolean> } => ({
  async write(file, lines, onProgress) {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return writeExport(join(folder, file), lines, onProgress)
  },
  verify: (file) => verifyExport(join(folder, file), { publicKey }),
  intact: async ({ file, sha256 }) => (await digestOfFile(join(folder, file))) === sha256,
})
