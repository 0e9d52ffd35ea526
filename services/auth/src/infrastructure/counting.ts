import type { Result } from '@ashlar/kernel'
import type { Metrics } from '@ashlar/platform/telemetry'
import type { AuthVerbs } from '../application/verbs.ts'

type Refusal = string | { code: string }

/** Counts what came of the verbs that the business looks at. Labels are codes of the contract, so they are few. */
export const countOutcomes = (verbs: AuthVerbs, metrics: Metrics): AuthVerbs => {
  const counted = <I, V, E extends Refusal>(name: string, help: string, verb: (input: I) => Promise<Result<V, E>>) => {
    const counter = metrics.counter(name, help, ['outcome'])
    return async (input: I): Promise<Result<V, E>> => {
      const result = await verb(input)
      if (result.ok) counter.inc({ outcome: 'ok' })
      else counter.inc({ outcome: typeof result.error === 'string' ? result.error : result.error.code })
      return result
    }
  }
  return {
    ...verbs,
    registerUser: counted('auth_registrations_total', 'Registrations by outcome', verbs.registerUser),
    verifyEmail: counted('auth_verifications_total', 'Proofs of an address by outcome', verbs.verifyEmail),
    login: counted('auth_logins_total', 'Sign-ins by outcome', verbs.login),
    rotateRefreshToken: counted('auth_refreshes_total', 'Refreshes by outcome', verbs.rotateRefreshToken),
  }
}
