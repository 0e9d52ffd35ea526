type Pattern = { steps: readonly string[]; methods: Set<string> }

export type AllowedMethods = { add(method: string, path: string): void; of(path: string): string[] }

/** Which methods a path would take, asked only where the router found nothing: the difference of 404 and 405. */
export const createAllowedMethods = (): AllowedMethods => {
  const patterns: Pattern[] = []
  return {
    add: (method, path) => {
      const steps = stepsOf(path)
      const known = patterns.find((pattern) => pattern.steps.join('/') === steps.join('/'))
      const methods = known?.methods ?? new Set<string>()
      if (!known) patterns.push({ steps, methods })
      methods.add(method)
      if (method === 'GET') methods.add('HEAD')
    },
    of: (path) => {
      const steps = stepsOf(path)
      const methods = patterns
        .filter((pattern) => matches(pattern.steps, steps))
        .flatMap((pattern) => [...pattern.methods])
      return [...new Set(methods)].sort()
    },
  }
}

const stepsOf = (path: string): string[] => path.replace(/\/$/, '').split('/')

const matches = (pattern: readonly string[], steps: readonly string[]): boolean => {
  const open = pattern.at(-1) === '*'
  if (open ? steps.length < pattern.length : steps.length !== pattern.length) return false
  return pattern.every((step, at) => step === '*' || (step.startsWith(':') ? steps[at] !== '' : step === steps[at]))
}
