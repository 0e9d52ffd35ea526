import { err, type Result } from '@ashlar/kernel'
import type { Refusal } from '@ashlar/platform/http'
import { type EmailAddress, parseEmail } from '../domain/email.ts'
import type { PasswordReason, PasswordRefused } from '../domain/password.ts'

const REASONS: Readonly<Record<PasswordReason, string>> = {
  too_short: 'The password has too few characters.',
  too_long: 'The password has too many characters.',
  equals_email: 'The password must not be the e-mail address or its first part.',
  equals_name: 'The password must not be the name of the person.',
}

/** Crosses from the address of a body to the one normal form, or says where the body is wrong. */
export const emailOf = (body: { email: string }): Result<EmailAddress, Refusal<'validation_failed'>> => {
  const email = parseEmail(body.email)
  if (email.ok) return email
  const detail = 'must be an e-mail address'
  return err({ code: 'validation_failed', errors: [{ pointer: '/email', code: 'email_malformed', detail }] })
}

/** Says why a password was refused, at the field that carried it. Other outcomes pass through. */
export const explainPassword = <V, E extends string>(
  result: Result<V, E | PasswordRefused>,
  pointer: '/password' | '/newPassword',
): Result<V, E | Refusal<'password_refused'>> => {
  if (result.ok || typeof result.error === 'string') return result as Result<V, E>
  const errors = result.error.reasons.map((code) => ({ pointer, code, detail: REASONS[code] }))
  return err({ code: 'password_refused', detail: errors.map(({ detail }) => detail).join(' '), errors })
}
