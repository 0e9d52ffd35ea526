/**
 * True for exactly one bare address, fit for an SMTP envelope and a header. It refuses whatever could name a second
 * recipient or begin a new line or command: lists, display names, quotes, comments, control characters (RFC 5321,
 * section 4.1.2, without quoted local parts and address literals).
 */
export const isSingleAddress = (text: string): boolean =>
  text.length <= 254 && ADDRESS.test(text) && text.indexOf('@') <= 64 && !text.includes('..')

const ADDRESS =
  /^[\p{L}\p{N}!#$%&'*+\-/=?^_`{|}~](?:[\p{L}\p{N}!#$%&'*+\-/=?^_`{|}~.]*[\p{L}\p{N}!#$%&'*+\-/=?^_`{|}~])?@[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?$/u

/**
 * The form under which an address is compared and hashed: the one that accounts have, so that a domain typed in its own
 * script finds what was sent to its IDNA form. Neither part tells case apart.
 */
export const addressKey = (address: string): string => {
  const text = address.trim().normalize('NFC').toLowerCase().normalize('NFC')
  const at = text.lastIndexOf('@')
  const domain = text.slice(at + 1)
  // The parser would cut off or rewrite what is no host name; that stays as it is.
  if (!/^[\p{L}\p{M}\p{N}.-]+$/u.test(domain) || /^[\d.]+$/.test(domain) || !URL.canParse(`http://${domain}`))
    return text
  return `${text.slice(0, at + 1)}${new URL(`http://${domain}`).hostname}`
}

/** Splits `Name <address>` or a bare address. Undefined where the address is not exactly one, or the name not one line. */
export const parseSender = (text: string): { name: string; address: string } | undefined => {
  const match = /^\s*(?:"?([^"<>]*?)"?\s*<([^<>\s]+)>|([^<>\s]+))\s*$/.exec(text)
  const address = match?.[2] ?? match?.[3]
  const name = (match?.[1] ?? '').trim()
  return address && isSingleAddress(address) && !/\p{Cc}/u.test(name) ? { name, address } : undefined
}
