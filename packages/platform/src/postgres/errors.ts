/**
 * The store could not be reached, or the connection broke before it answered. After a write that
 * means: the outcome is unknown. `dependency` names the store, for the caller's 503 and for health.
 */
export class DependencyUnavailable extends Error {
  readonly dependency: string

  constructor(dependency: string, cause?: unknown) {
    super(`${dependency} is unavailable`, { cause })
    this.name = 'DependencyUnavailable'
    this.dependency = dependency
  }
}

/**
 * SQLSTATE classes and codes (PostgreSQL, appendix A) that speak of the connection or of the server's state:
 * 08 connection, 53 out of resources, 57P server stopping, crashed, starting, 58 its system,
 * 25P03/25P04 ended for being idle or long in a transaction.
 */
const UNAVAILABLE = /^(?:08...|53...|57P0[1-5]|58...|25P0[34])$/

/** What Node and the driver say when a socket is refused, reset or closed under a query. */
const SOCKET = /^(?:ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT|EACCES)/
const DRIVER =
  /Connection terminated|timeout exceeded when trying to connect|not queryable|Client was closed|connection is closed|socket (?:hang up|closed)/i

export const isConnectionTrouble = (error: unknown): boolean => {
  if (error instanceof DependencyUnavailable) return true
  if (!(error instanceof Error)) return false
  const code = (error as { code?: unknown }).code
  if (typeof code === 'string' && code.length > 0) return UNAVAILABLE.test(code) || SOCKET.test(code)
  return DRIVER.test(error.message)
}

/** Ended by the server because the transaction took or idled longer than its role may: the fault of whoever held it. */
export const isOverdue = (error: unknown): boolean =>
  error instanceof DependencyUnavailable && /^25P0[34]$/.test(String((error.cause as { code?: unknown })?.code))

/** The error to throw on: connection trouble under its one name, everything else as it is. */
export const mapError = (dependency: string, error: unknown): unknown =>
  isConnectionTrouble(error) && !(error instanceof DependencyUnavailable)
    ? new DependencyUnavailable(dependency, error)
    : error
