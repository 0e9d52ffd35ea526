import type { ErasureList } from '../../application/ports.ts'
import { AppendedLines, linesOf } from './appended-lines.ts'

/** The list of erased persons, one JSON line each, beside the store and not part of its backups. */
export class ErasureFile implements ErasureList {
  readonly #lines: AppendedLines

  constructor(path: string) {
    this.#lines = new AppendedLines(path)
  }

  add(person: string, erasedAt: Date): Promise<void> {
    return this.#lines.append(JSON.stringify({ person, erasedAt: erasedAt.toISOString() }))
  }

  async *read(): AsyncGenerator<string> {
    for await (const line of linesOf(this.#lines.path)) {
      const person = personOf(line)
      if (person !== undefined) yield person
    }
  }

  close(): Promise<void> {
    return this.#lines.close()
  }
}

/** A line cut by a power failure names nobody; its event comes again. */
const personOf = (line: string): string | undefined => {
  try {
    const { person } = JSON.parse(line) as { person?: unknown }
    return typeof person === 'string' ? person : undefined
  } catch {
    return undefined
  }
}
