import { type Brand, err, ok, type Result } from '@ashlar/kernel'

/** An address in the one form by which accounts are told apart. */
export type EmailAddress = Brand<string, 'EmailAddress'>

// RFC 5321, section 4.5.3.1: octets of the local part, and of a path without its brackets.
const MAX_LOCAL_BYTES = 64
const MAX_BYTES = 254

// RFC 5322 atext, and beyond ASCII whatever is neither control, format, unassigned nor space (RFC 6532).
const LOCAL =
  /^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]|[^\p{C}\p{Z}\p{ASCII}])+(?:\.(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]|[^\p{C}\p{Z}\p{ASCII}])+)*$/u
const DOMAIN_INPUT = /^(?:[A-Za-z0-9.-]|[^\p{C}\p{Z}\p{ASCII}])+$/u
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

const bytes = (text: string): number => new TextEncoder().encode(text).length

/** UTS 46 through the URL parser, which also reads numeric hosts as IPv4: those are no mail domains. */
const normalDomain = (text: string): string | undefined => {
  if (!DOMAIN_INPUT.test(text)) return undefined
  const url = `http://${text}`
  if (!URL.canParse(url)) return undefined
  const host = new URL(url).hostname
  return DOMAIN.test(host) && !/^[\d.]+$/.test(host) ? host : undefined
}

/**
 * Reads an address into its normal form: trimmed, NFC, domain as IDNA in lower case, local part in lower case,
 * nothing else (dots and plus signs mean what their owner says). Control characters, spaces, quoted local parts,
 * address literals and domains of one label are refused, so that the result is safe in a mail header.
 */
export const parseEmail = (text: string): Result<EmailAddress, 'email_malformed'> => {
  if (text.length > 1024) return err('email_malformed')
  const trimmed = text.trim().normalize('NFC')
  const at = trimmed.lastIndexOf('@')
  // Lower case of a composed letter can be a decomposed one.
  const local = trimmed.slice(0, Math.max(at, 0)).toLowerCase().normalize('NFC')
  const domain = normalDomain(trimmed.slice(at + 1))
  if (at < 1 || domain === undefined || !LOCAL.test(local)) return err('email_malformed')
  const email = `${local}@${domain}`
  if (bytes(local) > MAX_LOCAL_BYTES || bytes(email) > MAX_BYTES) return err('email_malformed')
  return ok(email as EmailAddress)
}
