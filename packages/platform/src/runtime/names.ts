import { createHash } from 'node:crypto'

export type ServiceName = 'gateway' | 'auth' | 'payments' | 'notifications' | 'audit' | 'bus'
export type DatabaseName = 'auth' | 'payments' | 'notifications' | 'audit' | 'bus' | 'sandbox'

/** Every name that this Ashlar uses on a server which others may use too. */
export type Names = {
  database(of: DatabaseName): string
  role(of: DatabaseName | 'changes'): string
  /** Of the replication slot; lower case, digits and underscores, as PostgreSQL demands. */
  slot(service: string): string
  publication: string
  /** The CloudEvents source of a service's events. */
  source(service: string): string
  /** Key of an advisory lock. */
  lock(purpose: string): bigint
}

const FORM = /^[a-z][a-z0-9_]{0,20}$/

/**
 * Names from (installation, tenant). The tenant `default` leaves no trace in them.
 * Both must be 1–21 of `[a-z0-9_]`, starting with a letter, so that no name exceeds PostgreSQL's 63 bytes.
 */
export const createNames = (installation: string, tenant: string): Names => {
  for (const name of [installation, tenant]) {
    if (!FORM.test(name)) throw new Error(`not a name for an installation or a tenant: ${JSON.stringify(name)}`)
  }
  const suffix = tenant === 'default' ? '' : `_${tenant}`
  return {
    database: (of) => `${installation}_${of}${suffix}`,
    role: (of) => `${installation}_${of}${suffix}`,
    slot: (service) => `${installation}_audit_${service}${suffix}`,
    publication: `${installation}_audit${suffix}`,
    source: (service) => `/${installation}/${tenant}/${service}`,
    lock: (purpose) => createHash('sha256').update(`${installation}\0${tenant}\0${purpose}`).digest().readBigInt64BE(0),
  }
}
