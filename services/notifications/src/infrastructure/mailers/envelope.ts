import type { OutgoingMail } from '../../application/ports.ts'
import { isSingleAddress } from '../../domain/address.ts'
import type { HandOver } from '../../domain/delivery.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const CONTROL = /[\u0000-\u001f\u007f\u2028\u2029]/
const HEADER_NAME = /^[A-Za-z][A-Za-z0-9-]*$/
const MESSAGE_ID = /^<[A-Za-z0-9.-]+@[A-Za-z0-9.-]+>$/

/**
 * What every mailer refuses before it talks to anybody: anything but exactly one recipient, and whatever would begin
 * a header or a command of its own. Undefined for a message that may go out.
 */
export const refuseUnsafe = (mail: OutgoingMail): HandOver | undefined => {
  if (!isSingleAddress(mail.to) || !isSingleAddress(mail.from.address)) {
    return { outcome: 'refused', code: 'address_invalid' }
  }
  const lines = [mail.subject, mail.from.name, ...Object.values(mail.headers)]
  const unsafe =
    lines.some((line) => CONTROL.test(line)) ||
    Object.keys(mail.headers).some((name) => !HEADER_NAME.test(name)) ||
    !MESSAGE_ID.test(mail.messageId)
  return unsafe ? { outcome: 'refused', code: 'header_invalid' } : undefined
}

/**
 * A header's text of which nothing is read as an encoded word that it does not hold (RFC 2047): one that came in a
 * variable would show what nobody could write there plainly, line breaks included. Each piece stays below 75 characters.
 */
export const plainly = (text: string): string => {
  if (!text.includes('=?')) return text
  const pieces = text.match(/.{1,10}/gu) ?? []
  return pieces.map((piece) => `=?UTF-8?B?${Buffer.from(piece).toString('base64')}?=`).join(' ')
}
