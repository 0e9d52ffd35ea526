/** Whether a request's `Host` field names this Ashlar. */
export type HostGuard = (host: string | undefined) => boolean

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

export type HostRules = {
  /** Its host and port are allowed, and the default port written out. */
  publicUrl: string
  /** `host`, `host:port` or `host:*`; takes the place of the public URL's host where it is not empty. */
  allowed: readonly string[]
  /** Also the names of the machine itself, with any port: for development and test. */
  loopback: boolean
}

/** Throws on an entry that is no host. Compared without regard to case (RFC 9110, section 4.2.3). */
export const createHostGuard = ({ publicUrl, allowed, loopback }: HostRules): HostGuard => {
  const exact = new Set<string>()
  const anyPort = new Set<string>(loopback ? LOOPBACK : [])
  const ports = ['', ':80', ':443']

  const url = new URL(publicUrl)
  for (const entry of allowed.length > 0 ? allowed : [url.host]) {
    const lower = entry.trim().toLowerCase()
    const name = lower.endsWith(':*') ? lower.slice(0, -2) : lower
    const [, host, port] = HOST.exec(name) ?? []
    if (host === undefined) throw new Error(`"${entry}" is no host: write host, host:port or host:*.`)
    if (lower.endsWith(':*')) anyPort.add(host)
    else for (const suffix of port === undefined ? ports : [`:${port}`]) exact.add(host + suffix)
  }

  return (host) => {
    if (host === undefined) return false
    if (exact.has(host)) return true
    const lower = host.toLowerCase()
    if (exact.has(lower)) return true
    const [, name] = HOST.exec(lower) ?? []
    return name !== undefined && anyPort.has(name)
  }
}

/** For servers that only this machine may reach: a page of another site cannot make a browser name them (DNS rebinding). */
export const loopbackHosts: HostGuard = (host) => LOOPBACK.includes(HOST.exec(host?.toLowerCase() ?? '')?.[1] ?? '')
