import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** Where values come from, the first that has one wins: environment, then the file of ASHLAR_CONFIG, then `.env`. */
export type Source = { values: ReadonlyMap<string, string>; lines: string[] }

const ENV = 'ASHLAR_ENV'
const CONFIG = 'ASHLAR_CONFIG'

/**
 * Gathers the `ASHLAR_*` values. An empty value counts as not set. `.env` in `directory` is read in development
 * alone, so it cannot say which environment this is. What is wrong with the files comes back as lines.
 */
export const readSource = (environment: NodeJS.ProcessEnv, directory: string): Source => {
  const lines: string[] = []
  const fromEnvironment = new Map<string, string>()
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith('ASHLAR_') && value !== undefined && value !== '') fromEnvironment.set(name, value)
  }

  const config = fromEnvironment.get(CONFIG)
  const fromFile =
    config === undefined ? new Map<string, string>() : readFile(resolve(directory, config), CONFIG, lines)
  if (fromFile?.has(CONFIG)) lines.push(`${CONFIG}: can be set in the environment only`)
  const beforeDotEnv = new Map([...fromFile, ...fromEnvironment])
  if ((beforeDotEnv.get(ENV) ?? 'development') !== 'development') return { values: beforeDotEnv, lines }

  const fromDotEnv = readFile(resolve(directory, '.env'), undefined, lines)
  if (fromDotEnv.has(CONFIG)) lines.push(`${CONFIG}: can be set in the environment only`)
  if (!beforeDotEnv.has(ENV) && (fromDotEnv.get(ENV) ?? 'development') !== 'development') {
    lines.push(`${ENV}: cannot be set in .env, which is read in development only`)
    fromDotEnv.delete(ENV)
  }
  return { values: new Map([...fromDotEnv, ...beforeDotEnv]), lines }
}

/** `NAME=value` a line; `#` comments; a value may stand in one pair of quotes. `variable` is who names the file. */
const readFile = (path: string, variable: string | undefined, lines: string[]): Map<string, string> => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    // Only the file that somebody asked for has to exist.
    const { code } = error as NodeJS.ErrnoException
    if (variable !== undefined || code !== 'ENOENT') lines.push(`${variable ?? '.env'}: cannot read ${path} (${code})`)
    return new Map()
  }
  const values = new Map<string, string>()
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const [, name, rest] = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(trimmed) ?? []
    if (name === undefined || rest === undefined) {
      lines.push(`${variable ?? '.env'}: line ${at + 1} of ${path} is not NAME=value`)
      continue
    }
    if (!name.startsWith('ASHLAR_')) {
      // A `.env` is often shared with other programs; the file that is ours alone holds our names alone.
      if (variable !== undefined) lines.push(`${name}: is not a setting of Ashlar (line ${at + 1} of ${path})`)
      continue
    }
    const value = unquote(rest)
    if (value !== '') values.set(name, value)
  }
  return values
}

const unquote = (text: string): string => /^"(.*)"$/.exec(text)?.[1] ?? /^'(.*)'$/.exec(text)?.[1] ?? text
