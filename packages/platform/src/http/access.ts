import type { Clock } from '@ashlar/kernel'
import type { RouteSpec } from '../contract/index.ts'
import { Refused } from './problem.ts'
import type { RequestState } from './state.ts'
import type { Authenticator, Caller } from './types.ts'

/** How long ago a sign-in may be to count as recent. */
const RECENT_SECONDS = 10 * 60

export type Gate = (authorization: string | undefined, state: RequestState) => Promise<void> | undefined

/**
 * The access rule of a route, asked before a byte of the body is read. Throws 401 without a usable token, 403
 * without the permission or the recent sign-in. A caller whom the gateway has already verified is taken as he is, and
 * nothing is waited for.
 */
export const createGate = (
  route: RouteSpec,
  name: string,
  { authenticator, clock }: { authenticator: Authenticator | undefined; clock: Clock },
): Gate | undefined => {
  const { access } = route
  if (access === 'public') return undefined
  if (!authenticator) throw new Error(`The route ${name} needs a caller, but its server has no authenticator.`)

  const admit = (caller: Caller): undefined => {
    if (access !== 'user' && !caller.permissions.includes(access.permission)) throw new Refused('forbidden')
    if (route.recent && clock.now().getTime() / 1000 - caller.authTime > RECENT_SECONDS) {
      throw new Refused('reauthentication_required')
    }
  }
  const identify = async (authorization: string | undefined, state: RequestState): Promise<void> => {
    const token = bearerToken(authorization)
    if (token === undefined) throw new Refused('access_token_invalid')
    const result = await authenticator.authenticate(token)
    if (!result.ok) {
      throw new Refused({ code: result.error, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } })
    }
    state.caller = result.value
    admit(result.value)
  }
  return (authorization, state) => (state.caller ? admit(state.caller) : identify(authorization, state))
}

/** The token of `Authorization: Bearer …` (RFC 6750, section 2.1); the scheme in any case. */
const bearerToken = (authorization: string | undefined): string | undefined =>
  /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(authorization ?? '')?.[1]
