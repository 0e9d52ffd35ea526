import type { Keyring } from '@ashlar/platform/keys'
import { greetingName } from '../../domain/greeting.ts'
import { mailDate, tokenLink } from '../../domain/link.ts'
import type { Variables } from '../../domain/template.ts'
import type { Repositories } from '../ports.ts'
import type { QueueMail } from './queue-mail.ts'

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
 * Queues a mail that auth asked for. Its secret is opened here and nowhere else, and goes into the sealed content alone.
 * Throws on a seal that does not open.
 */
export const sendRequestedMail =
  ({ queue, keys, publicUrl }: { queue: QueueMail; keys: Keyring; publicUrl: string }) =>
  async (tx: Repositories, triggerId: string, request: MailRequest): Promise<void> => {
    const order = (template: MailRequest['template'], variables: Variables) =>
      queue(tx, {
        triggerId,
        template,
        to: request.email,
        userId: request.userId,
        variables: { firstName: greetingName(request.firstName), ...variables },
        expiresAt: new Date(request.expiresAt),
      })
    const expires = mailDate(request.expiresAt)

    switch (request.template) {
      case 'verify-email':
        await order('verify-email', {
          expires,
          link: tokenLink(publicUrl, 'verify-email', secretOf(keys, request, 'token')),
        })
        return
      case 'password-reset':
        await order('password-reset', {
          expires,
          link: tokenLink(publicUrl, 'reset-password', secretOf(keys, request, 'token')),
        })
        return
      case 'email-already-registered':
        await order('email-already-registered', {})
        return
      case 'otp-code':
        await order('otp-code', { expires, code: secretOf(keys, request, 'code') })
        return
    }
  }

const secretOf = (keys: Keyring, { sealed, sealId }: MailRequest, name: 'token' | 'code'): string => {
  const place = { table: 'mail.requested', column: 'sealed', row: sealId }
  const opened = parsed(keys.open('mail-request', Buffer.from(sealed, 'base64'), place).toString('utf8'))
  const secret = typeof opened === 'object' && opened !== null ? (opened as Record<string, unknown>)[name] : undefined
  if (typeof secret !== 'string' || secret === '') throw new Error(`the mail request holds no ${name}`)
  return secret
}

/** The parser's own error would quote the secret, and errors end in logs and in the dead-letter store. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
