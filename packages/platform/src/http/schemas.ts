import { z } from 'zod'

export type JsonSchema = {
  $ref?: string
  $defs?: Record<string, JsonSchema>
  properties?: Record<string, JsonSchema>
  required?: string[]
  [keyword: string]: unknown
}

export type Schemas = {
  /** A schema under a name of its own in the components; as a caller receives it, unless said otherwise. */
  named(name: string, schema: z.ZodType, io?: 'input' | 'output'): void
  /** What a caller may send. `where` names schemas that have no id of their own. */
  input(schema: z.ZodType, where: string): JsonSchema
  /** What a caller receives. */
  output(schema: z.ZodType, where: string): JsonSchema
  all(): Record<string, JsonSchema>
}

/**
 * JSON Schemas for an OpenAPI document. Zod writes shared schemas (`.meta({ id })`, recursion) into `$defs` of each
 * one, where a reference from within OpenAPI finds nothing: here they become components.
 */
export const createSchemas = (): Schemas => {
  const components: Record<string, JsonSchema> = {}
  let anonymous = 0

  const convert = (schema: z.ZodType, io: 'input' | 'output', where: string): JsonSchema => {
    const { $schema: _dialect, $id: _id, $defs = {}, ...root } = z.toJSONSchema(schema, { io }) as JsonSchema
    // A schema that contains itself says `#`, which in an OpenAPI document is the document.
    const recursive = mentions(root, SELF) || mentions($defs, SELF)
    if (recursive) $defs[SELF] = { ...root }
    const names = new Map(
      Object.keys($defs).map((key) => [key, key.startsWith('__') || key === SELF ? `${where}${++anonymous}` : key]),
    )
    const placed = (): [string, JsonSchema][] =>
      Object.entries($defs).map(([key, { $id: _definitionId, id: _metaId, ...plain }]) => [key, redirect(plain, names)])
    // A name that means something else already (the input form of what another route receives) gives way; since
    // the definitions name each other, all of them are looked at again after each change.
    for (let clash = findClash(placed()); clash !== undefined; clash = findClash(placed())) {
      names.set(clash, nextName(names.get(clash) ?? clash))
    }
    for (const [key, definition] of placed()) components[names.get(key) ?? key] = definition
    return redirect(recursive ? { $ref: SELF } : root, names)

    function findClash(definitions: [string, JsonSchema][]): string | undefined {
      return definitions.find(([key, definition]) => {
        const known = components[names.get(key) ?? key]
        return known !== undefined && JSON.stringify(known) !== JSON.stringify(definition)
      })?.[0]
    }
  }

  return {
    named: (name, schema, io = 'output') => {
      components[name] = convert(schema, io, name)
    },
    input: (schema, where) => convert(schema, 'input', where),
    output: (schema, where) => convert(schema, 'output', where),
    all: () => components,
  }
}

const nextName = (name: string): string => {
  const [, base = name, number] = /^(.*?)(\d+)?$/.exec(name) ?? []
  return `${base}${Number(number ?? 1) + 1}`
}

const redirect = <T>(value: T, names: ReadonlyMap<string, string>): T => {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => redirect(item, names)) as T
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      const target = key === '$ref' && typeof member === 'string' ? definitionOf(member) : undefined
      return [
        key,
        target === undefined ? redirect(member, names) : `#/components/schemas/${names.get(target) ?? target}`,
      ]
    }),
  ) as T
}

const SELF = '#'

const definitionOf = (ref: string): string | undefined => (ref === SELF ? SELF : /^#\/\$defs\/(.+)$/.exec(ref)?.[1])

const mentions = (value: unknown, ref: string): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(value).some(([key, member]) => (key === '$ref' && member === ref) || mentions(member, ref))
