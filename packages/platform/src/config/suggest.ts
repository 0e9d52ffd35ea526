/** What Kubernetes injects for a Service called `ashlar…`: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables */
const SERVICE_LINK =
  /^ASHLAR_(?:[A-Z0-9_]+_)?(?:SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO))?)?)$/

export const SERVICE_LINK_HINT =
  'looks like a Kubernetes service link: set enableServiceLinks: false on the pod, or give the Service another name than ashlar'

export const isServiceLinkValue = (value: string): boolean => /^(?:tcp|udp|sctp):\/\//i.test(value)

/** One sentence about a key that nobody knows. */
export const explainUnknown = (name: string, value: string, known: readonly string[]): string => {
  if (SERVICE_LINK.test(name) && (isServiceLinkValue(value) || !/_PORT$/.test(name)))
    return `is not a setting; it ${SERVICE_LINK_HINT}`
  const near = nearest(name, known)
  return near === undefined ? 'is not a setting of Ashlar' : `is not a setting of Ashlar; did you mean ${near}?`
}

/** The known name with the fewest edits, if they are few for its length. */
const nearest = (name: string, known: readonly string[]): string | undefined => {
  const body = (text: string): string => text.replace(/^ASHLAR_/, '')
  let best: string | undefined
  let least = Math.max(2, Math.floor(body(name).length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(body(name), body(candidate))
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Edits (insert, delete, replace, swap of neighbours) between two texts: the optimal string alignment distance. */
export const editDistance = (a: string, b: string): number => {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    before = previous
    previous = row
  }
  return previous[b.length] ?? 0
}
