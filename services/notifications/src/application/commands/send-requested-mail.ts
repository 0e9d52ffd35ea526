import type { Keyring } from '@ashlar/platform/keys'
import { greetingName } from '../../domain/greeting.ts'
import { mailDate, tokenLink } from '../../domain/link.ts'
import type { Variables } from '../../domain/template.ts'
import type { Repositories } from '../ports.ts'
import type { MailOrder, QueueMail } from './queue-mail.ts'

export type MailRequest = {
  template: 'verify-email' | 'email-already-registered' | 'password-reset' | 'otp-code'
  userId: string | null
  email: string
  firstName: string | null
  sealed: string
  sealId: string
  expiresAt: string
}

/**
 * Queues a mail that auth asked for. Its secret is opened here and nowhere else, and goes into the sealed texts alone.
 * Throws on a seal that does not open and on a template that is not offered.
 */
export const sendRequestedMail =
  ({ queue, keys, publicUrl }: { queue: QueueMail; keys: Keyring; publicUrl: string }) =>
  async (tx: Repositories, triggerId: string, request: MailRequest): Promise<void> => {
    const order = (template: MailOrder['template'], variables: Variables) =>
      queue(tx, {
        triggerId,
        template,
        to: request.email,
        userId: request.userId,
        variables: { firstName: greetingName(request.firstName), ...variables },
        urgent: true,
        expiresAt: new Date(request.expiresAt),
      })
    const expires = mailDate(request.expiresAt)

    switch (request.template) {
      case 'verify-email':
        await order('verify-email', { expires, link: tokenLink(publicUrl, 'verify-email', tokenOf(keys, request)) })
        return
      case 'password-reset':
        await order('password-reset', { expires, link: tokenLink(publicUrl, 'reset-password', tokenOf(keys, request)) })
        return
      case 'email-already-registered':
        await order('email-already-registered', { signInLink: publicUrl })
        return
      case 'otp-code':
        throw new Error('mails with one-time codes are not offered')
    }
  }

const tokenOf = (keys: Keyring, { sealed, sealId }: MailRequest): string => {
  const place = { table: 'mail.requested', column: 'sealed', row: sealId }
  const opened = parsed(keys.open('mail-request', Buffer.from(sealed, 'base64'), place).toString('utf8'))
  const token = typeof opened === 'object' && opened !== null && 'token' in opened ? opened.token : undefined
  if (typeof token !== 'string' || token === '') throw new Error('the mail request holds no token')
  return token
}

/** The parser's own error would quote the secret, and errors end in logs and in the dead-letter store. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
