import { err, ok, type Result } from '@ashlar/kernel'
import type { Passport, Upstream } from '../ports.ts'

/** Why a link did not work. `invalid`: used, expired or replaced; `weak`: the new password was refused; `later`: try again. */
export type MailLinkRefusal = { reason: 'invalid' | 'weak' | 'later'; complaints: string[]; status: number }

export type FollowMailLink = (input: {
  path: '/verify-email' | '/reset-password'
  token: string
  newPassword?: string
  passport: Passport
}) => Promise<Result<undefined, MailLinkRefusal>>

type Deps = {
  auth: Pick<Upstream, 'call'>
  /** True while nothing may be changed. */
  refuseWrites?: () => boolean
}

/** Where auth takes what the two pages send. */
export const AUTH_PATHS = { '/verify-email': '/auth/verify-email', '/reset-password': '/auth/password/reset' } as const

/** Passes on to auth what a person sent from the page behind a link in a mail. The token is written down nowhere. */
export const followMailLink =
  ({ auth, refuseWrites }: Deps): FollowMailLink =>
  async ({ path, token, newPassword, passport }) => {
    if (refuseWrites?.()) return err({ reason: 'later', complaints: [], status: 503 })
    const body = path === '/verify-email' ? { token } : { token, newPassword }
    const answer = await auth.call({ method: 'POST', path: AUTH_PATHS[path], body, passport })
    if (answer.status < 300) return ok(undefined)
    const problem = (answer.body ?? {}) as {
      code?: string
      detail?: string
      errors?: { pointer: string; detail: string }[]
    }
    const complaints = (problem.errors ?? []).filter(({ pointer }) => pointer !== '/token').map(({ detail }) => detail)
    if (problem.code === 'password_refused' || (problem.code === 'validation_failed' && complaints.length > 0)) {
      return err({
        reason: 'weak',
        complaints: complaints.length > 0 ? complaints : [problem.detail ?? ''],
        status: answer.status,
      })
    }
    const reason = answer.status === 429 || answer.status >= 500 ? 'later' : 'invalid'
    return err({ reason, complaints: [], status: answer.status })
  }
