import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { preparePassword } from '../domain/password.ts'

export type BreachedPasswords = { has(password: string): Promise<boolean>; close(): Promise<void> }

/** Longer than any line: 40 digits, a colon, a count, a line break. */
const WINDOW_BYTES = 128
const PROBES = 1_000
const LINE = /^([0-9A-F]{40})(?::\d{1,19})?\r?$/i

const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex').toUpperCase()

/** The first whole line that begins at or after `offset`, given what stands from the byte before it on. */
const lineIn = (text: string, offset: number): { line: string; start: number } | undefined => {
  const from = offset === 0 ? 0 : text.indexOf('\n') + 1
  if (offset !== 0 && from === 0) return undefined
  const end = text.indexOf('\n', from)
  const line = text.slice(from, end < 0 ? undefined : end)
  return line === '' ? undefined : { line, start: Math.max(offset - 1, 0) + from }
}

/**
 * What is wrong with a file of breached passwords, undefined where nothing was found: it must exist and hold SHA-1
 * digests in hex, one to a line and in order, each with or without `:count`. Looks at a thousand places of it, so at
 * every line of a small one: the lists that people have are tens of gigabytes.
 */
export const breachedFileProblem = (path: string): string | undefined => {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) return 'is not a file'
    if (stat.size === 0) return 'is empty'
    const window = Buffer.alloc(WINDOW_BYTES)
    let [last, lastStart] = ['', -1]
    for (let probe = 0; probe < PROBES; probe++) {
      const offset = Math.floor((stat.size / PROBES) * probe)
      const length = readSync(file, window, 0, WINDOW_BYTES, Math.max(offset - 1, 0))
      const found = lineIn(window.toString('latin1', 0, length), offset)
      if (!found || found.start === lastStart) continue
      const digest = LINE.exec(found.line)?.[1]?.toUpperCase()
      if (digest === undefined) return 'must hold SHA-1 digests in hex, one to a line, with or without `:count`'
      if (digest <= last) return 'must be in the order of its digests'
      ;[last, lastStart] = [digest, found.start]
    }
    return undefined
  } finally {
    closeSync(file)
  }
}

/** Looks digests up where they lie, in some thirty reads of the disk; nothing of the file stays in memory. */
export const openBreachedFile = async (path: string): Promise<BreachedPasswords> => {
  const file: FileHandle = await open(path, 'r')
  const { size } = await file.stat()

  const lineAt = async (offset: number): Promise<{ digest: string; start: number } | undefined> => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(WINDOW_BYTES), 0, WINDOW_BYTES, Math.max(offset - 1, 0))
    const found = lineIn(buffer.toString('latin1', 0, bytesRead), offset)
    return found && { digest: found.line.slice(0, 40).toUpperCase(), start: found.start }
  }
  const contains = async (wanted: string): Promise<boolean> => {
    // Everything that begins before `low` is smaller; everything that begins at or after `high` is larger.
    let [low, high] = [0, size]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const found = await lineAt(middle)
      if (found?.digest === wanted) return true
      if (!found || found.digest > wanted) high = middle
      else low = found.start + 1
    }
    return false
  }

  return {
    has: (password) => contains(sha1(preparePassword(password))),
    close: () => file.close(),
  }
}
