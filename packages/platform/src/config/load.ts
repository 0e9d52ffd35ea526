import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import type { Setting, SettingsGroup, SettingsOf } from './settings.ts'
import { readSource } from './source.ts'
import { explainUnknown, isServiceLinkValue, SERVICE_LINK_HINT } from './suggest.ts'

/** Everything that is wrong with the configuration, one line per variable. The program prints them and exits with 78. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super(`The configuration is not valid:\n${lines.join('\n')}`)
    this.lines = lines
  }
}

// biome-ignore lint/suspicious/noExplicitAny: any group, whatever its settings are
type Groups = Readonly<Record<string, SettingsGroup<any>>>

export type LoadOptions<G extends Groups> = {
  groups: G
  environment: NodeJS.ProcessEnv
  /** Where `.env` lies, and what the path in ASHLAR_CONFIG is relative to. */
  directory: string
}

/**
 * Reads all groups at once. Throws ConfigurationError with every mistake in it: values that do not parse, unknown
 * `ASHLAR_*` names, and in production whatever a setting's `production` refuses. No line shows a secret.
 */
export const loadSettings = <const G extends Groups>({
  groups,
  environment,
  directory,
}: LoadOptions<G>): { [K in keyof G]: SettingsOf<G[K]> } => {
  const source = readSource(environment, directory)
  const lines = [...source.lines]
  const known = knownVariables(groups)
  const production = source.values.get('ASHLAR_ENV') === 'production'

  const loaded: Record<string, Record<string, unknown>> = {}
  for (const [groupName, group] of Object.entries(groups)) {
    const values: Record<string, unknown> = {}
    for (const [name, setting] of Object.entries(group.settings as Record<string, Setting>)) {
      const reading = readSetting(setting, source.values, production)
      if ('problem' in reading) lines.push(`${setting.variable}: ${reading.problem}`)
      else values[name] = reading.value
    }
    loaded[groupName] = values
  }
  for (const [name, value] of source.values) {
    if (!known.has(name)) lines.push(`${name}: ${explainUnknown(name, value, [...known])}`)
  }
  if (lines.length > 0) throw new ConfigurationError(lines)
  return loaded as { [K in keyof G]: SettingsOf<G[K]> }
}

/** Every name that may be set. Two settings with one name are a mistake of ours. */
const knownVariables = (groups: Groups): Set<string> => {
  const known = new Set<string>(['ASHLAR_CONFIG'])
  for (const group of Object.values(groups)) {
    for (const { variable, secret } of Object.values(group.settings as Record<string, Setting>)) {
      if (known.has(variable)) throw new Error(`The variable ${variable} is defined twice.`)
      known.add(variable)
      if (secret) known.add(`${variable}_FILE`)
    }
  }
  return known
}

type Reading = { value: unknown } | { problem: string }

const readSetting = (setting: Setting, values: ReadonlyMap<string, string>, production: boolean): Reading => {
  const text = readText(setting, values)
  if ('problem' in text) return text
  const given = text.value as string | undefined

  const parsed = setting.schema.safeParse(given)
  if (!parsed.success) {
    if (given === undefined) return { problem: 'is required' }
    if (isServiceLinkValue(given) && /_PORT$/.test(setting.variable)) return { problem: SERVICE_LINK_HINT }
    return { problem: describeIssues(parsed.error.issues, given, setting.secret === true) }
  }
  const refusal = production ? setting.production?.(parsed.data) : undefined
  if (refusal !== undefined)
    return { problem: `cannot be used in production: ${withoutValue(refusal, given, setting.secret)}` }
  return { value: parsed.data }
}

const readText = (setting: Setting, values: ReadonlyMap<string, string>): Reading => {
  const direct = values.get(setting.variable)
  const path = setting.secret ? values.get(`${setting.variable}_FILE`) : undefined
  if (path === undefined) return { value: direct }
  if (direct !== undefined) return { problem: `is set twice, also by ${setting.variable}_FILE` }
  try {
    // Whoever writes a secret to a file ends it with a line break.
    const content = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    return content === '' ? { problem: `the file of ${setting.variable}_FILE is empty` } : { value: content }
  } catch (error) {
    return { problem: `the file of ${setting.variable}_FILE cannot be read (${(error as NodeJS.ErrnoException).code})` }
  }
}

const describeIssues = (issues: readonly z.core.$ZodIssue[], given: string, secret: boolean): string => {
  const messages = [...new Set(issues.map(({ message }) => lowerFirst(message)))]
    .join('; ')
    .replaceAll(/\s*\n\s*/g, ' ')
  // Control characters of the value would otherwise forge further lines.
  return secret ? withoutValue(messages, given, true) : `${messages} (is ${JSON.stringify(given.slice(0, 80))})`
}

/** A message that repeats a secret, or a piece of it, says only that it is not valid. */
const withoutValue = (message: string, given: string | undefined, secret: boolean | undefined): string =>
  secret && given !== undefined && pieces(given).some((piece) => message.includes(piece)) ? 'is not valid' : message

const pieces = (secret: string): string[] =>
  [secret, ...secret.split(/[^A-Za-z0-9]+/)].filter((piece) => piece.length >= 6)

const lowerFirst = (message: string): string =>
  message.replace(/^Invalid input: /, '').replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase())
