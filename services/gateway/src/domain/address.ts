/** What a connection's address says, worked out once per connection. */
export type Peer = {
  /** As services and logs see it; an IPv4 address that came over an IPv6 socket is shown as IPv4. */
  address: string
  /** What request limits count by: the address itself, or the /64 of an IPv6 address, which is one customer's line. */
  network: string
  loopback: boolean
}

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i

/** Reads a textual address as sockets give it. An unknown one is a peer of its own kind, never trusted. */
export const peerOf = (text: string | undefined): Peer => {
  if (text === undefined || text === '') return { address: '', network: 'unknown', loopback: false }
  const address = MAPPED.exec(text)?.[1] ?? text
  if (!address.includes(':')) return { address, network: address, loopback: address.startsWith('127.') }
  return { address, network: `${slash64(address)}::/64`, loopback: address === '::1' }
}

/** The first four groups of an IPv6 address, without zeros in front (RFC 5952, section 4.1). */
const slash64 = (address: string): string => {
  const bare = address.split('%', 1)[0] ?? ''
  const [head = '', tail] = bare.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  // An embedded IPv4 address stands for two groups.
  const length = front.length + back.length + (bare.includes('.') ? 1 : 0)
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - length) }, () => '0')
  return [...front, ...zeros, ...back]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
