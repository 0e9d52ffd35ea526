/** So many requests in so many seconds. */
export type EndpointLimit = { quota: number; windowSeconds: number }

const ENTRY = /^([a-z][a-z0-9-]*)=([1-9]\d{0,5})\/([1-9]\d{0,4})$/

/** Reads `login=20/60,register=10/3600` into limits by name. Undefined where an entry has another form or stands twice. */
export const parseEndpointLimits = (text: string): Record<string, EndpointLimit> | undefined => {
  const limits: Record<string, EndpointLimit> = {}
  for (const entry of text.split(',')) {
    if (entry.trim() === '') continue
    const [, name, quota, windowSeconds] = ENTRY.exec(entry.trim()) ?? []
    if (name === undefined || Object.hasOwn(limits, name)) return undefined
    limits[name] = { quota: Number(quota), windowSeconds: Number(windowSeconds) }
  }
  return limits
}
