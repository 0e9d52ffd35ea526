import type { IncomingHttpHeaders } from 'node:http'
import { type Client, clientOf, type Peer } from './address.ts'
import { contains, type Ip, type Network, parseIp, writeIp } from './ip.ts'

/** What proxies say about a request: who sent it, and how it came to the first of them. */
export type Origin = {
  client: Client
  /** Undefined where nobody who is trusted said so. */
  scheme?: 'http' | 'https'
  /** The two families of fields name different clients: one of them was not written by the proxy. */
  conflict?: true
}

/** How many hops are read at most, so that a long forged list costs nothing. */
const MAX_HOPS = 32

/** Whether a request claims to have been forwarded. */
export const isForwarded = (headers: IncomingHttpHeaders): boolean =>
  headers['x-forwarded-for'] !== undefined ||
  headers.forwarded !== undefined ||
  headers['x-forwarded-proto'] !== undefined

/**
 * Finds the client behind trusted proxies: the rightmost address in `X-Forwarded-For`, or `Forwarded` (RFC 7239), that
 * no trusted proxy has. What stands left of it was written by the client. A hop that is no address ends the search at
 * the proxy that passed it on. Where both families are there and disagree, neither is believed.
 */
export const createForwarding = (trusted: readonly Network[]) => {
  const trusts = (ip: Ip): boolean => trusted.some((network) => contains(network, ip))

  const walk = (peer: Peer, elements: readonly string[], addressIn: (element: string) => string): Walk => {
    let client: Client = peer
    let passed = 0
    for (let at = elements.length - 1; at >= 0 && passed < MAX_HOPS; at -= 1) {
      const ip = parseIp(bareAddress(addressIn(elements[at] ?? '')))
      if (!ip) break
      client = clientOf(writeIp(ip), ip)
      if (!trusts(ip)) break
      passed += 1
    }
    return { client, passed }
  }

  /** Only for requests of a trusted peer. */
  return (peer: Peer, headers: IncomingHttpHeaders): Origin => {
    const { forwarded } = headers
    const list = textOf(headers['x-forwarded-for'])
    const listed = list === undefined ? undefined : walk(peer, list.split(','), (element) => element)
    const elements = forwarded?.split(',') ?? []
    const told = forwarded === undefined ? undefined : walk(peer, elements, (element) => parameter(element, 'for'))
    if (listed && told && listed.client.address !== told.client.address) return { client: peer, conflict: true }

    const { client, passed } = listed ?? told ?? { client: peer, passed: 0 }
    const schemes =
      textOf(headers['x-forwarded-proto'])?.split(',') ?? elements.map((element) => parameter(element, 'proto'))
    return { client, scheme: schemeOf(schemes, passed) }
  }
}

type Walk = { client: Client; passed: number }

/** A repeated field is joined by Node; the types allow for a list all the same. */
const textOf = (field: string | string[] | undefined): string | undefined =>
  Array.isArray(field) ? field.join(',') : field

/** Said by the trusted proxy next to the client; a proxy that replaces the field leaves one value for all. */
const schemeOf = (schemes: readonly string[], passed: number): Origin['scheme'] => {
  const scheme = schemes[Math.max(0, schemes.length - 1 - passed)]?.trim().toLowerCase()
  return scheme === 'https' || scheme === 'http' ? scheme : undefined
}

/** One parameter of a forwarded element, without its quotes; empty where it is missing. */
const parameter = (element: string, name: string): string => {
  for (const pair of element.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim().toLowerCase() !== name) continue
    const value = pair.slice(equals + 1).trim()
    return value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
  }
  return ''
}

const BRACKETS = /^\[([^\]]*)\](?::\d{1,5})?$/
const PORT = /^([\d.]+):\d{1,5}$/

/** `192.0.2.1:4711` and `[2001:db8::1]:4711` carry a port; what else is there must be an address. */
const bareAddress = (hop: string): string => {
  const text = hop.trim()
  return BRACKETS.exec(text)?.[1] ?? PORT.exec(text)?.[1] ?? text
}
