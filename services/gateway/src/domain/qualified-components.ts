type Document = { components?: { schemas?: Record<string, unknown> } } & Record<string, unknown>

const PREFIX = '#/components/schemas/'

/**
 * Makes the schema names of several OpenAPI documents fit into one: a name that stands for different shapes gets its
 * service in front in each of them (`Page` → `PaymentsPage`), one that means the same everywhere stays.
 */
export const qualifyComponents = (documents: readonly { service: string; document: object }[]): object[] => {
  const ambiguous = ambiguousNames(documents.map(({ document }) => (document as Document).components?.schemas ?? {}))
  return documents.map(({ service, document }) => {
    const title = service.charAt(0).toUpperCase() + service.slice(1)
    const rename = (name: string): string => (ambiguous.has(name) ? `${title}${name}` : name)

    const rewrite = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(rewrite)
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(
        Object.entries(value).map(([key, member]) => {
          const reference = key === '$ref' && typeof member === 'string' && member.startsWith(PREFIX)
          return [key, reference ? PREFIX + rename(member.slice(PREFIX.length)) : rewrite(member)]
        }),
      )
    }

    const rewritten = rewrite(document) as Document
    const schemas = rewritten.components?.schemas
    if (!schemas) return rewritten
    const renamed = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [rename(name), schema]))
    return { ...rewritten, components: { ...rewritten.components, schemas: renamed } }
  })
}

/** Names with more than one shape, and those that refer to one: what they mean differs with it. */
const ambiguousNames = (sections: readonly Record<string, unknown>[]): ReadonlySet<string> => {
  const shapes = new Map<string, Set<string>>()
  for (const section of sections) {
    for (const [name, schema] of Object.entries(section)) {
      shapes.set(name, (shapes.get(name) ?? new Set()).add(JSON.stringify(schema)))
    }
  }
  const ambiguous = new Set([...shapes].filter(([, forms]) => forms.size > 1).map(([name]) => name))
  for (let known = -1; known !== ambiguous.size; ) {
    known = ambiguous.size
    for (const [name, forms] of shapes) {
      const refers = [...ambiguous].some((other) => [...forms].some((form) => form.includes(`"${PREFIX}${other}"`)))
      if (refers) ambiguous.add(name)
    }
  }
  return ambiguous
}
