import { appendFileSync, closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { createStream, type RotatingFileStream } from 'rotating-file-stream'

export type LogFileOptions = {
  folder: string
  /** Without its ending: `combined` is `combined.log`, and `combined-2026-01-31.log` once that day is over. */
  name: string
  /** Files of days before that are removed. */
  days: number
  /** Hears of the first of a row of failures. Must not throw. */
  onFailure: (file: string, error: unknown) => void
  now?: () => Date
  /** Between two tries while the file cannot be written (5 s). */
  retryMs?: number
}

export type LogFile = {
  write(line: string): void
  /** Writes what is held, where it can be written. */
  close(): Promise<void>
}

const FLUSH_AFTER_MS = 50
const BLOCK_CHARACTERS = 16_384
/** What is held for a disk that is full or slow; lines beyond it are in the other outputs alone. */
const HELD_CHARACTERS = 4 * 1024 * 1024
const PATIENCE_MS = 2_000
const DAY_MS = 86_400_000

/**
 * A file of log lines, readable by its owner alone, that is put aside at midnight UTC, or at the next start where there
 * was none running. A disk that takes nothing holds nobody up: what fits is kept and tried again.
 */
export const createLogFile = (options: LogFileOptions): LogFile => {
  const { folder, name, days, onFailure, now = () => new Date(), retryMs = 5_000 } = options
  const file = `${name}.log`
  let held: string[] = []
  let characters = 0
  let underWay = ''
  let stream: RotatingFileStream | undefined
  let writing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let failing = false
  let closing: Promise<void> | undefined

  const prune = async (): Promise<void> => {
    const oldest = new Date(now().getTime() - days * DAY_MS).toISOString().slice(0, 10)
    for (const entry of await readdir(folder)) {
      const day = entry.startsWith(`${name}-`)
        ? /^-(\d{4}-\d\d-\d\d)(?:\.\d+)?\.log$/.exec(entry.slice(name.length))
        : null
      if (day?.[1] !== undefined && day[1] < oldest) await unlink(join(folder, entry))
    }
  }
  const pruneSoon = (): void => void prune().catch((error: unknown) => onFailure(file, error))

  const open = (): RotatingFileStream => {
    const opened = createStream((time, index = 1) => (time === null ? file : nameOf(name, time, index)), {
      path: folder,
      interval: '1d',
      intervalBoundary: true,
      intervalUTC: true,
      initialRotation: true,
      mode: 0o600,
    })
    // Its own clock is declared private; it first looks at it after its constructor has ended.
    Object.assign(opened, { now })
    // Without a listener an error of the file would end the process.
    opened.on('error', () => {
      if (stream === opened) stream = undefined
    })
    opened.on('rotated', pruneSoon)
    return opened
  }

  const writeHeld = async (): Promise<void> => {
    const block = held.join('')
    held = []
    underWay = block
    stream ??= open()
    const to = stream
    try {
      await new Promise<void>((resolve, reject) => to.write(block, (error) => (error ? reject(error) : resolve())))
      characters -= block.length
      failing = false
    } catch (error) {
      held.unshift(block)
      stream = undefined
      to.destroy()
      if (!failing) onFailure(file, error)
      failing = true
    }
    underWay = ''
    writing = undefined
    if (held.length > 0) flushIn(failing ? retryMs : 0)
  }
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (held.length > 0) writing ??= writeHeld()
  }
  const flushIn = (ms: number): void => {
    timer ??= setTimeout(flush, ms)
    // A program that has nothing else to do ends, and its exit writes the rest.
    timer.unref()
  }

  const atExit = (): void => {
    if (held.length === 0 && underWay === '') return
    try {
      const path = join(folder, file)
      appendFileSync(path, (endsWith(path, underWay) ? '' : underWay) + held.join(''), { mode: 0o600 })
    } catch {
      // There is nobody left to tell, and the other outputs have the lines.
    }
  }
  process.on('exit', atExit)
  pruneSoon()

  const end = async (): Promise<void> => {
    process.off('exit', atExit)
    const endsAtMs = Date.now() + PATIENCE_MS
    do {
      flush()
      await Promise.race([writing, pause(endsAtMs - Date.now())])
    } while (held.length > 0 && !failing && Date.now() < endsAtMs)
    clearTimeout(timer)
    const last = stream
    if (last) await Promise.race([new Promise<void>((resolve) => last.end(resolve)), pause(endsAtMs - Date.now())])
  }

  return {
    write: (line) => {
      if (closing !== undefined || characters > HELD_CHARACTERS) return
      held.push(line)
      characters += line.length
      if (characters < BLOCK_CHARACTERS || failing) flushIn(FLUSH_AFTER_MS)
      else flush()
    },
    close: () => {
      closing ??= end()
      return closing
    },
  }
}

/** Whether a block whose write was not yet confirmed has arrived. */
const endsWith = (path: string, block: string): boolean => {
  const bytes = Buffer.from(block)
  const fd = openSync(path, 'a+', 0o600)
  try {
    const tail = Buffer.alloc(bytes.length)
    const from = fstatSync(fd).size - bytes.length
    return from >= 0 && readSync(fd, tail, 0, tail.length, from) === bytes.length && tail.equals(bytes)
  } finally {
    closeSync(fd)
  }
}

const nameOf = (name: string, time: Date | number, index: number): string =>
  `${name}-${new Date(time).toISOString().slice(0, 10)}${index > 1 ? `.${index}` : ''}.log`

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, ms)).unref()
  })
