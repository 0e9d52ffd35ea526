import type { IncomingHttpHeaders } from 'node:http'

const STRONG = /^"[\x21\x23-\x7e\x80-\xff]*"$/
const TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g
const LIST = /^(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*|$))+$/

/**
 * Whether a conditional write may go on (RFC 9110, section 13.1.1): without `If-Match`, with `*`, or when one of its
 * tags is `etag` (quoted, of what is stored now) by strong comparison, so that weak tags never match. Asked only for
 * things that exist, and in the transaction that writes.
 */
export const ifMatch = (headers: IncomingHttpHeaders, etag: string): boolean => {
  const condition = headers['if-match']?.trim()
  if (condition === undefined || condition === '*') return true
  if (!STRONG.test(etag)) return false
  return LIST.test(condition) && (condition.match(TAGS)?.includes(etag) ?? false)
}
