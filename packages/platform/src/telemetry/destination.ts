import { writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'

export type LogDestination = DestinationStream & {
  /** Writes what is held. Every later line is written at once. */
  close(): void
}

const BLOCK_CHARACTERS = 16_384
const FLUSH_EVERY_MS = 50
/** What is held for a reader that does not read, or a full disk; lines beyond it are lost. */
const HELD_CHARACTERS = 4 * 1024 * 1024
/** How long an exit waits for a reader that does not read. */
const PATIENCE_MS = 2_000

/**
 * Takes lines for a file descriptor (1 is stdout) in blocks: a write per line is a system call per request. What is
 * held is written after 50 ms at the latest, at `close`, and when the process exits, after an uncaught error too: only
 * a kill that no process sees loses that much. One destination for all loggers of a process keeps their lines in order.
 */
export const createLogDestination = (fd: number): LogDestination => {
  let lines: string[] = []
  let characters = 0
  let rest: Buffer = Buffer.alloc(0)
  let closed = false

  const flush = (patienceMs: number): void => {
    if (lines.length > 0) {
      rest = Buffer.concat([rest, Buffer.from(lines.join(''))])
      lines = []
    }
    const endsAtMs = Date.now() + patienceMs
    while (rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(fd, rest))
      } catch (error) {
        // A pipe that is full is written to again by the next flush, and so is everything else that may pass.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || Date.now() >= endsAtMs) break
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      }
    }
    characters = rest.length
  }

  const timer = setInterval(() => flush(0), FLUSH_EVERY_MS)
  // A program that has nothing else to do ends, and its exit flushes.
  timer.unref()
  const atExit = (): void => flush(PATIENCE_MS)
  process.on('exit', atExit)

  return {
    write: (line) => {
      if (characters > HELD_CHARACTERS) return
      lines.push(line)
      characters += line.length
      if (closed) flush(PATIENCE_MS)
      else if (characters >= BLOCK_CHARACTERS && rest.length === 0) flush(0)
    },
    close: () => {
      closed = true
      clearInterval(timer)
      process.off('exit', atExit)
      flush(PATIENCE_MS)
    },
  }
}
