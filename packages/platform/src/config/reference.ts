import type { Setting, SettingsGroup } from './settings.ts'

// biome-ignore lint/suspicious/noExplicitAny: any group, whatever its settings are
type Group = SettingsGroup<any>

/** The text of the configuration reference (Markdown). */
export const configurationReference = (groups: readonly Group[]): string => {
  const parts = [
    '# Configuration',
    '',
    'Generated from the schemas. Set in the environment, or in a file that `ASHLAR_CONFIG` names (lines as in `.env.example`); the environment wins. `.env` is read in development only. An empty value counts as not set. A secret is also taken from a file: `<variable>_FILE` holds its path.',
    '',
  ]
  for (const group of groups) {
    parts.push(`## ${group.name}`, '', '| variable | default | what it does |', '|---|---|---|')
    for (const setting of settingsOf(group)) {
      const notes = [
        setting.description,
        setting.secret ? 'Secret.' : '',
        setting.production ? 'Checked in production.' : '',
      ]
      parts.push(
        `| \`${setting.variable}\` | ${cell(defaultOf(setting))} | ${cell(notes.filter((note) => note !== '').join(' '))} |`,
      )
    }
    parts.push('')
  }
  return parts.join('\n')
}

/** The text of `.env.example`: every setting, commented out, with its default or an example. */
export const envExample = (groups: readonly Group[]): string => {
  const parts = ['# Every setting of Ashlar. What stands here in comments is the default, or an example.', '']
  for (const group of groups) {
    parts.push(`# --- ${group.name} ---`, '')
    for (const setting of settingsOf(group)) {
      parts.push(`# ${setting.description}`)
      if (setting.defaultText !== undefined) parts.push(`# Default: ${setting.defaultText}`)
      parts.push(
        `#${setting.variable}=${setting.example ?? (setting.defaultText === undefined ? plainDefault(setting) : '')}`,
        '',
      )
    }
  }
  return parts.join('\n')
}

const settingsOf = (group: Group): Setting[] => Object.values(group.settings as Record<string, Setting>)

const defaultOf = (setting: Setting): string => {
  if (setting.defaultText !== undefined) return setting.defaultText
  const plain = plainDefault(setting)
  return plain === '' ? (setting.schema.safeParse(undefined).success ? 'none' : 'required') : `\`${plain}\``
}

/** The default as it would be written in the environment: what the schema takes as input, not what it makes of it. */
const plainDefault = (setting: Setting): string => {
  const input = inputDefault(setting.schema)
  return input === undefined ? '' : String(input)
}

const inputDefault = (schema: unknown): unknown => {
  const { def } = schema as { def?: { type?: string; defaultValue?: unknown; in?: unknown; innerType?: unknown } }
  if (def?.type === 'default') return def.defaultValue
  return def?.type === 'pipe'
    ? inputDefault(def.in)
    : def?.innerType === undefined
      ? undefined
      : inputDefault(def.innerType)
}

const cell = (text: string): string => text.replaceAll('|', '\\|')
