import type { z } from 'zod'

/** One setting of the configuration. */
export type Setting<S extends z.ZodType = z.ZodType> = {
  /** `ASHLAR_…`, as it stands in the environment. */
  readonly variable: `ASHLAR_${string}`
  /** Parses the text of the variable, or `undefined` where it is not set. */
  readonly schema: S
  /** One sentence for the reference. */
  readonly description: string
  /** Never shown, and also accepted as `<variable>_FILE`: the path of a file that holds it. */
  readonly secret?: true
  /** Why this value must not be used in production; undefined where it may. Must not repeat a secret. */
  readonly production?: (value: z.output<S>) => string | undefined
  /** What the reference and `.env.example` show as default where it is not a constant. */
  readonly defaultText?: string
  /** What `.env.example` shows; must be refused in production if it is a secret's. */
  readonly example?: string
}

// biome-ignore lint/suspicious/noExplicitAny: `production` of any schema
export type SettingsGroup<T extends Record<string, Setting<any>> = Record<string, Setting>> = {
  readonly name: string
  readonly settings: T
}

export type SettingsOf<G> =
  G extends SettingsGroup<infer T> ? { -readonly [K in keyof T]: z.output<T[K]['schema']> } : never

type SettingsFor<S extends Record<string, z.ZodType>> = { readonly [K in keyof S]: Setting<S[K]> }

/** The settings of one part. Nothing is read here: `loadSettings` does, for all parts at once. */
export const defineSettings = <S extends Record<string, z.ZodType>>(
  name: string,
  settings: SettingsFor<S>,
): SettingsGroup<SettingsFor<S>> => ({ name, settings })
