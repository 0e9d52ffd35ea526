const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/

/**
 * The network of a client address: /24 of IPv4, also inside IPv6, and /64 of IPv6, which is what one customer gets.
 * Whatever is no address is a network of its own.
 */
export const networkOf = (ip: string | null): string => {
  if (ip === null) return 'none'
  const bare = ip.split('%', 1)[0]?.toLowerCase() ?? ''
  if (IPV4.test(bare)) return slash24(bare)
  const groups = groupsOf(bare)
  if (!groups) return bare
  const [high = 0, low = 0] = groups.slice(6)
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (isMapped) return slash24([high >> 8, high & 255, low >> 8, low & 255].join('.'))
  return groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')
}

const slash24 = (address: string): string => address.split('.', 3).map(Number).join('.')

/** The eight groups of an IPv6 address (RFC 4291, section 2.2). */
const groupsOf = (text: string): number[] | undefined => {
  const embedded = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  const hex = (high: string | undefined, low: string | undefined) => (Number(high) * 256 + Number(low)).toString(16)
  const full = embedded ? `${embedded[1]}${hex(embedded[2], embedded[3])}:${hex(embedded[4], embedded[5])}` : text
  const [head = '', tail, ...more] = full.split('::')
  if (more.length > 0) return undefined
  const split = (part: string | undefined) => (part === undefined || part === '' ? [] : part.split(':'))
  const [front, back] = [split(head), split(tail)]
  const missing = 8 - front.length - back.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const groups = [...front, ...Array.from({ length: missing }, () => '0'), ...back]
  return groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))
    ? groups.map((group) => Number.parseInt(group, 16))
    : undefined
}
