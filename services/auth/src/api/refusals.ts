import { err, type Result } from '@ashlar/kernel'
import type { Refusal } from '@ashlar/platform/http'
import type { RateLimited } from '../application/ports.ts'
import { type EmailAddress, parseEmail } from '../domain/email.ts'
import type { PasswordReason, PasswordRefused } from '../domain/password.ts'

const REASONS: Readonly<Record<PasswordReason, string>> = {
  too_short: 'The password has too few characters.',
  too_long: 'The password has too many characters.',
  malformed: 'The password is not valid text.',
  lacks_lower: 'The password has no small letter.',
  lacks_upper: 'The password has no capital letter.',
  lacks_digit: 'The password has no digit.',
  lacks_symbol: 'The password has no symbol.',
  contains_email: 'The password repeats the e-mail address or a part of it.',
  contains_name: 'The password repeats the name of the person.',
  common: 'The password is one of those that are tried first.',
  breached: 'The password is known from a breach.',
}

/** Crosses from the address of a body to the one normal form, or says where the body is wrong. */
export const emailOf = (
  body: { email: string },
  pointer = '/email',
): Result<EmailAddress, Refusal<'validation_failed'>> => {
  const email = parseEmail(body.email)
  if (email.ok) return email
  const detail = 'must be an e-mail address'
  return err({ code: 'validation_failed', errors: [{ pointer, code: 'email_malformed', detail }] })
}

/** Says when a secret may be tried again. Other outcomes pass through. */
export const explainLimit = <V, E>(
  result: Result<V, E | RateLimited>,
): Result<V, Exclude<E, RateLimited> | Refusal<'rate_limited'>> => {
  if (result.ok) return result
  const error = result.error as RateLimited
  if (error.code !== 'rate_limited') return err(result.error as Exclude<E, RateLimited>)
  const detail = 'Too many wrong tries from this network.'
  return err({ code: error.code, detail, headers: { 'retry-after': String(error.retryAfterSeconds) } })
}

/** Says why a password was refused, at the field that carried it. Other outcomes pass through. */
export const explainPassword = <V, E>(
  result: Result<V, E | PasswordRefused>,
  pointer: '/password' | '/newPassword',
): Result<V, Exclude<E, PasswordRefused> | Refusal<'password_refused'>> => {
  if (result.ok) return result
  const refused = result.error as PasswordRefused
  if (refused.code !== 'password_refused') return err(result.error as Exclude<E, PasswordRefused>)
  const errors = refused.reasons.map((code) => ({ pointer, code, detail: REASONS[code] }))
  return err({ code: 'password_refused', detail: errors.map(({ detail }) => detail).join(' '), errors })
}

type RightsRefused = 'role_exists' | 'rights_too_large' | { code: 'roles_unknown'; roles: string[] }

/** Says what is wrong with roles or permissions that were asked for. Other outcomes pass through. */
export const explainRights = <V, E extends string>(
  result: Result<V, E | RightsRefused>,
  asked: readonly string[] = [],
): Result<V, Exclude<E, RightsRefused> | Refusal<'validation_failed'>> => {
  if (result.ok) return result
  const { error } = result
  if (typeof error === 'object') {
    const errors = error.roles.map((role) => {
      return { pointer: `/roles/${asked.indexOf(role)}`, code: 'role_unknown', detail: 'There is no such role.' }
    })
    return err({ code: 'validation_failed', errors })
  }
  if (error === 'role_exists') {
    const detail = 'A role of this name exists already.'
    return err({ code: 'validation_failed', errors: [{ pointer: '/name', code: error, detail }] })
  }
  if (error === 'rights_too_large') {
    const detail = 'Somebody would have more permissions than an access token can carry.'
    const pointer = asked.length > 0 ? '/roles' : '/permissions'
    return err({ code: 'validation_failed', errors: [{ pointer, code: error, detail }] })
  }
  return err(error as Exclude<E, RightsRefused>)
}

/** Why a role that everything rests on stays as it is. Other outcomes pass through. */
export const explainProtection = <V, E>(
  result: Result<V, E | 'role_protected'>,
): Result<V, Exclude<E, 'role_protected'> | Refusal<'forbidden'>> => {
  if (result.ok) return result
  if (result.error !== 'role_protected') return err(result.error as Exclude<E, 'role_protected'>)
  return err({ code: 'forbidden', detail: 'A built-in role stays, and admin keeps what it needs.' })
}
