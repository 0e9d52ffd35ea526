import { contains, type Ip, isPrivate, type Network, parseIp } from './ip.ts'

/** Where a request comes from. */
export type Client = {
  /** As services and logs see it; an IPv4 address that came over an IPv6 socket is shown as IPv4. */
  address: string
  /** What request limits count by: the address itself, or the /64 of an IPv6 address, which is one customer's line. */
  network: string
  loopback: boolean
}

/** The other end of a connection, worked out once per connection. */
export type Peer = Client & {
  /** A proxy whose forwarding fields are believed. */
  trusted: boolean
  /** In a private network, where a proxy would stand. */
  private: boolean
}

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i

/** Reads a textual address as sockets give it. What is none is a client of its own kind, from nowhere. */
export const clientOf = (text: string | undefined, known?: Ip): Client => {
  if (text === undefined || text === '') return { address: '', network: 'unknown', loopback: false }
  const address = MAPPED.exec(text)?.[1] ?? text
  if (!address.includes(':')) return { address, network: address, loopback: address.startsWith('127.') }
  const ip = known ?? parseIp(withoutZone(address))
  if (!ip) return { address, network: address, loopback: false }
  const prefix = ip.slice(0, 4).map((group) => group.toString(16))
  return { address, network: `${prefix.join(':')}::/64`, loopback: ip.every((group, at) => group === (at < 7 ? 0 : 1)) }
}

/** Judges peers by the networks of the proxies that this Ashlar stands behind. */
export const createPeers =
  (trusted: readonly Network[]) =>
  (text: string | undefined): Peer => {
    const ip = text === undefined ? undefined : parseIp(withoutZone(text))
    const client = clientOf(text, ip)
    if (!ip) return { ...client, trusted: false, private: false }
    return { ...client, trusted: trusted.some((network) => contains(network, ip)), private: isPrivate(ip) }
  }

/** `fe80::1%eth0` names an interface of this machine behind its address. */
const withoutZone = (address: string): string => {
  const at = address.indexOf('%')
  return at < 0 ? address : address.slice(0, at)
}
