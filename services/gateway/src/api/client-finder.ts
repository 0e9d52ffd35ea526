import type { IncomingHttpHeaders } from 'node:http'
import type { Logger } from '@ashlar/platform/telemetry'
import type { Finding } from '../application/ports.ts'
import type { Peer } from '../domain/address.ts'
import { createForwarding, isForwarded, type Origin } from '../domain/forwarding.ts'
import type { Network } from '../domain/ip.ts'

type Deps = { trusted: readonly Network[]; log: Logger; report?: (finding: Finding) => void }

/** Who a request comes from: the peer of its connection, or whoever a trusted proxy names. */
export type ClientFinder = (peer: Peer, headers: IncomingHttpHeaders) => Origin

/**
 * Reads forwarding fields of trusted peers alone. From an unlisted peer in a private network they mean, more likely
 * than not, a proxy that somebody forgot to list, behind which all clients would share one limit: told once.
 */
export const createClientFinder = ({ trusted, log, report }: Deps): ClientFinder => {
  const resolve = createForwarding(trusted)
  const told = new Set<Finding['code']>()
  const tell = (code: Finding['code'], peer: Peer, detail: string): void => {
    if (told.has(code)) return
    told.add(code)
    log.warn({ code, ip: peer.address, detail }, 'forwarding fields cannot be believed')
    report?.({ code, detail })
  }

  return (peer, headers) => {
    if (!peer.trusted && !peer.private) return { client: peer }
    if (!isForwarded(headers)) return { client: peer }
    if (!peer.trusted) {
      tell(
        'untrusted_forwarder',
        peer,
        `${peer.address} forwards requests but is not in ASHLAR_TRUSTED_PROXIES: its clients count as one.`,
      )
      // Through a proxy that nobody listed, anybody could look like a caller on this machine.
      return { client: peer.loopback ? { ...peer, loopback: false } : peer }
    }
    const origin = resolve(peer, headers)
    if (origin.conflict) {
      tell(
        'forwarding_conflict',
        peer,
        `${peer.address} sends X-Forwarded-For and Forwarded that name different clients: it must replace or remove both.`,
      )
    }
    return origin
  }
}
