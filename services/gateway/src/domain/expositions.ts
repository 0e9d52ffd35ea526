type Family = { head: string[]; samples: string[] }

const HEAD = /^# (?:HELP|TYPE) (\S+)/

/**
 * Joins several Prometheus text expositions (format 0.0.4) into one. Registries of different services share metric
 * names, and the format wants each name once, with all its samples together; their `service` label keeps them apart.
 */
export const mergeExpositions = (texts: readonly string[]): string => {
  const families = new Map<string, Family>()
  for (const text of texts) {
    let current: Family | undefined
    for (const line of text.split('\n')) {
      if (line === '') continue
      const name = HEAD.exec(line)?.[1]
      if (name !== undefined) {
        current = families.get(name) ?? { head: [], samples: [] }
        families.set(name, current)
        const kind = line.slice(0, 6)
        if (!current.head.some((known) => known.startsWith(kind))) current.head.push(line)
      } else {
        current?.samples.push(line)
      }
    }
  }
  return [...families.values()].map(({ head, samples }) => `${[...head, ...samples].join('\n')}\n`).join('\n')
}
