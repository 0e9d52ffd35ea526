import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { canonicalJson } from '@ashlar/kernel'
import type { CheckpointWitness } from '../../application/ports.ts'
import type { Checkpoint } from '../../domain/checkpoint.ts'

/** The lines of a text file, without ever holding all of it; none where there is no file. */
export async function* linesOf(path: string): AsyncGenerator<string> {
  const exists = await stat(path).catch(() => undefined)
  if (!exists) return
  const input = createReadStream(path, { encoding: 'utf8', highWaterMark: 256 * 1024 })
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  } finally {
    input.destroy()
  }
}

/** A line cut by a power failure is no checkpoint; the store has it, and it is written again. */
export const parseCheckpoint = (line: string): Checkpoint | undefined => {
  try {
    const value = JSON.parse(line) as Partial<Checkpoint> | null
    if (typeof value?.chain !== 'string' || typeof value.signature !== 'string' || typeof value.witness !== 'string')
      return
    if (![value.number, value.from, value.to].every((it) => Number.isSafeInteger(it) && (it as number) > 0)) return
    return value as Checkpoint
  } catch {
    return undefined
  }
}

/** Checkpoints of one file in its order; `chain` narrows them. */
export async function* readCheckpoints(path: string, chain?: string): AsyncGenerator<Checkpoint> {
  const mark = chain === undefined ? '' : `"chain":${JSON.stringify(chain)}`
  for await (const line of linesOf(path)) {
    if (!line.includes(mark)) continue
    const checkpoint = parseCheckpoint(line)
    if (checkpoint && (chain === undefined || checkpoint.chain === chain)) yield checkpoint
  }
}

/**
 * The file of checkpoints of all chains, one line each, only ever appended to. Whoever can write to the store cannot
 * write here, so what is cut off there is still known.
 */
export class CheckpointFile implements CheckpointWitness {
  readonly #path: string
  #file: Promise<FileHandle> | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(path: string) {
    this.#path = path
  }

  append(checkpoint: Checkpoint): Promise<void> {
    const write = async () => {
      this.#file ??= this.#open()
      try {
        const file = await this.#file
        await file.appendFile(`${canonicalJson(checkpoint)}\n`)
        await file.datasync()
      } catch (error) {
        // Half a line may be there: opened anew, the next one begins on its own.
        const broken = this.#file
        this.#file = undefined
        await broken.then((file) => file.close()).catch(() => {})
        throw error
      }
    }
    const mine = this.#turn.then(write, write)
    this.#turn = mine.catch(() => {})
    return mine
  }

  async last(chain: string): Promise<Checkpoint | undefined> {
    let last: Checkpoint | undefined
    for await (const checkpoint of this.read(chain)) {
      if (!last || checkpoint.number > last.number) last = checkpoint
    }
    return last
  }

  read(chain: string): AsyncIterable<Checkpoint> {
    return readCheckpoints(this.#path, chain)
  }

  async chains(): Promise<string[]> {
    const chains = new Set<string>()
    for await (const { chain } of readCheckpoints(this.#path)) chains.add(chain)
    return [...chains].sort()
  }

  async close(): Promise<void> {
    await this.#turn
    await (await this.#file)?.close()
    this.#file = undefined
  }

  async #open(): Promise<FileHandle> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    const file = await open(this.#path, 'a+', 0o600)
    const { size } = await file.stat()
    const end = Buffer.alloc(1)
    if (size > 0) await file.read(end, 0, 1, size - 1)
    // After a torn line the next one must begin on its own.
    if (size > 0 && end[0] !== 0x0a) await file.appendFile('\n')
    return file
  }
}
