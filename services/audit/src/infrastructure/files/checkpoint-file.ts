import { canonicalJson } from '@ashlar/kernel'
import type { CheckpointWitness } from '../../application/ports.ts'
import type { Checkpoint } from '../../domain/checkpoint.ts'
import { AppendedLines, linesOf } from './appended-lines.ts'

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
  readonly #lines: AppendedLines

  constructor(path: string) {
    this.#lines = new AppendedLines(path)
  }

  append(checkpoint: Checkpoint): Promise<void> {
    return this.#lines.append(canonicalJson(checkpoint))
  }

  async last(chain: string): Promise<Checkpoint | undefined> {
    let last: Checkpoint | undefined
    for await (const checkpoint of this.read(chain)) {
      if (!last || checkpoint.number > last.number) last = checkpoint
    }
    return last
  }

  read(chain: string): AsyncIterable<Checkpoint> {
    return readCheckpoints(this.#lines.path, chain)
  }

  async chains(): Promise<string[]> {
    const chains = new Set<string>()
    for await (const { chain } of readCheckpoints(this.#lines.path)) chains.add(chain)
    return [...chains].sort()
  }

  close(): Promise<void> {
    return this.#lines.close()
  }
}
