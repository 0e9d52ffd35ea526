import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'

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

/** A file of lines that is only ever appended to, readable by its owner alone. */
export class AppendedLines {
  readonly path: string
  #file: Promise<FileHandle> | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(path: string) {
    this.path = path
  }

  /** On the disk when it resolves. */
  append(line: string): Promise<void> {
    const write = async () => {
      this.#file ??= this.#open()
      try {
        const file = await this.#file
        await file.appendFile(`${line}\n`)
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

  async close(): Promise<void> {
    await this.#turn
    await (await this.#file)?.close()
    this.#file = undefined
  }

  async #open(): Promise<FileHandle> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 })
    const file = await open(this.path, 'a+', 0o600)
    const { size } = await file.stat()
    const end = Buffer.alloc(1)
    if (size > 0) await file.read(end, 0, 1, size - 1)
    // After a torn line the next one must begin on its own.
    if (size > 0 && end[0] !== 0x0a) await file.appendFile('\n')
    return file
  }
}
