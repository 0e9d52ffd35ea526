import type { ParseArgsConfig } from 'node:util'

/** Exit codes of every command. */
export const EXIT = { done: 0, notSo: 1, misuse: 2, configuration: 78 } as const

/** What a command may use of the process around it. */
export type Io = {
  env: NodeJS.ProcessEnv
  /** A line of the answer, on standard output. */
  out(line: string): void
  /** A line for the person at the terminal, on standard error. */
  note(line: string): void
  readStdin(): Promise<string>
}

export type Arguments = { positionals: string[]; values: Record<string, string | boolean | undefined> }

export type Command = {
  summary: string
  /** The lines after "Usage:", one per form. */
  usage: string[]
  /** What a reader should know beyond the usage. */
  about: string
  options?: NonNullable<ParseArgsConfig['options']>
  run(io: Io, args: Arguments): Promise<number>
}

/** The words of a command line do not fit: exit code 2 with the usage. */
export class Misuse extends Error {}

/** Prints an answer for a script (`--json`) or for a person. */
export const answer = (io: Io, args: Arguments, value: unknown, lines: () => string[]): void => {
  if (args.values.json === true) io.out(JSON.stringify(value))
  else for (const line of lines()) io.out(line)
}

/** Says after two seconds, and then each second, how far a command is. */
export const withProgress = async <T>(io: Io, describe: () => string, work: () => Promise<T>): Promise<T> => {
  const started = Date.now()
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000)
    if (seconds >= 2) io.note(`… ${describe()} (${seconds} s)`)
  }, 1000)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}
