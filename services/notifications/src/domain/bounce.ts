/**
 * Whether a refusal says that the address itself is of no use (RFC 3463): nobody is there, or never will be. Only that
 * suppresses an address. What speaks of the message (5.6, 5.7: spam, policy), of its size or of a full mailbox (5.2.2,
 * 5.2.3, 552, 554) or of the sender (5.1.7, 5.1.8) may be otherwise at the next message.
 *
 * `reply` is the three-digit code, `enhanced` the class.subject.detail that may follow it, `aboutRecipient` whether it
 * came to RCPT TO.
 */
export const isAddressGone = (reply: number, enhanced: string | undefined, aboutRecipient: boolean): boolean => {
  if (reply < 500 || reply > 599) return false
  if (enhanced === undefined) return reply === 550 || reply === 551 || reply === 553
  // "Other address status": whose address is told by the command only.
  if (enhanced === '5.1.0') return aboutRecipient
  return GONE.has(enhanced)
}

const GONE: ReadonlySet<string> = new Set([
  '5.1.1', // bad mailbox
  '5.1.2', // bad system
  '5.1.3', // bad syntax of the mailbox
  '5.1.6', // mailbox has moved
  '5.1.10', // the domain takes no mail (RFC 7505)
  '5.2.1', // mailbox disabled
])

/** The enhanced code at the beginning of a server's answer, if there is one. */
export const enhancedCode = (answer: string): string | undefined =>
  /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})(?=\s|$)/.exec(answer)?.[1]
