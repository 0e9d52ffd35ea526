/** An address as eight groups of 16 bits. An IPv4 address is the mapped one (`::ffff:192.0.2.1`), so that both compare. */
export type Ip = readonly number[]

/** All addresses that share the first `bits` bits with `ip`. */
export type Network = { readonly ip: Ip; readonly bits: number }

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`)
const GROUP = /^[0-9a-f]{1,4}$/i

const ipv4Groups = (text: string): number[] => {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number)
  return [a * 256 + b, c * 256 + d]
}

/** Undefined for what is no address (RFC 4291, section 2.2). Takes no brackets, no port and no zone. */
export const parseIp = (text: string): Ip | undefined => {
  if (IPV4.test(text)) return [0, 0, 0, 0, 0, 0xffff, ...ipv4Groups(text)]
  if (text.length > 45 || !text.includes(':')) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [front, back] = halves.map((half, at) => groupsOf(half, at === halves.length - 1))
  if (!front) return undefined
  if (halves.length === 1) return front.length === 8 ? front : undefined
  if (!back || front.length + back.length > 7) return undefined
  return [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back]
}

/** The groups between two `::`; `last` ones may end in an IPv4 address. */
const groupsOf = (text: string, last: boolean): number[] | undefined => {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [at, part] of parts.entries()) {
    if (GROUP.test(part)) groups.push(Number.parseInt(part, 16))
    else if (last && at === parts.length - 1 && IPV4.test(part)) groups.push(...ipv4Groups(part))
    else return undefined
  }
  return groups
}

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. Undefined for anything else, also for bits behind the prefix. */
export const parseNetwork = (text: string): Network | undefined => {
  const [address = '', length, ...rest] = text.split('/')
  const ip = parseIp(address)
  if (!ip || rest.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length))) return undefined
  const offset = address.includes(':') ? 0 : 96
  const bits = length === undefined ? 128 : offset + Number(length)
  if (bits > 128) return undefined
  const beyond = ip.some((group, at) => (group & ~mask(bits - at * 16)) !== 0)
  return beyond ? undefined : { ip, bits }
}

/** The mask of a group of which `bits` bits count. */
const mask = (bits: number): number => (bits <= 0 ? 0 : bits >= 16 ? 0xffff : (0xffff << (16 - bits)) & 0xffff)

export const contains = ({ ip: prefix, bits }: Network, ip: Ip): boolean => {
  for (let at = 0; at * 16 < bits; at += 1) {
    if ((((prefix[at] ?? 0) ^ (ip[at] ?? 0)) & mask(bits - at * 16)) !== 0) return false
  }
  return true
}

/** Networks that are not routed on the public Internet: what stands there is a proxy, a container or a neighbour. */
const PRIVATE: readonly Network[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '::1',
  'fc00::/7',
  'fe80::/10',
].map((text) => parseNetwork(text) as Network)

export const isPrivate = (ip: Ip): boolean => PRIVATE.some((network) => contains(network, ip))

/** An address in its one usual spelling (RFC 5952, section 4); a mapped one as IPv4. */
export const writeIp = (ip: Ip): string => {
  if (isIpv4(ip)) return [6, 7].flatMap((at) => [(ip[at] ?? 0) >> 8, (ip[at] ?? 0) & 255]).join('.')
  const zeros = longestZeros(ip)
  const write = (groups: readonly number[]): string => groups.map((group) => group.toString(16)).join(':')
  if (zeros.length < 2) return write(ip)
  return `${write(ip.slice(0, zeros.at))}::${write(ip.slice(zeros.at + zeros.length))}`
}

/** The first of the longest runs of zero groups. */
const longestZeros = (ip: Ip): { at: number; length: number } => {
  let best = { at: 0, length: 0 }
  for (let at = 0; at < ip.length; at += 1) {
    let length = 0
    while (ip[at + length] === 0) length += 1
    if (length > best.length) best = { at, length }
  }
  return best
}

const isIpv4 = (ip: Ip): boolean => ip[5] === 0xffff && ip.every((group, at) => at >= 5 || group === 0)
