import { type Limit, limitHeaders, type RateLimiter, type Verdict } from '@ashlar/platform/limits'
import type { Exchange, GatewayRefusal } from './exchange.ts'

/** A limit that a request counted against, and what is left of it. */
export type Counted = { limit: Limit; verdict: Verdict }

export type RequestLimits = {
  /** The limit of all requests of a client, and those of the endpoint. */
  ofClient(exchange: Exchange, endpoint: readonly Limit[]): Promise<GatewayRefusal | undefined>
  ofUser(exchange: Exchange, userId: string): Promise<GatewayRefusal | undefined>
}

type Deps = { limiter: RateLimiter; perAddress: Limit; perUser: Limit }

/** Counts requests, and tells the client of the limit that is nearest to its end. */
export const createRequestLimits = ({ limiter, perAddress, perUser }: Deps): RequestLimits => {
  const take = async (exchange: Exchange, limit: Limit, key: string): Promise<boolean> => {
    const verdict = await limiter.take(limit, key)
    const { counted } = exchange
    if (!counted || !verdict.allowed || verdict.remaining < counted.verdict.remaining) {
      exchange.counted = { limit, verdict }
    }
    return verdict.allowed
  }
  const refusal = (who: string): GatewayRefusal => ({
    code: 'rate_limited',
    detail: `Too many requests from this ${who}. Retry-After says when to come back.`,
  })

  return {
    ofClient: async (exchange, endpoint) => {
      const { network } = exchange.client
      if (!(await take(exchange, perAddress, network))) return refusal('address')
      for (const limit of endpoint) if (!(await take(exchange, limit, network))) return refusal('address')
      return undefined
    },
    ofUser: async (exchange, userId) => ((await take(exchange, perUser, userId)) ? undefined : refusal('user')),
  }
}

/** Puts the fields of the counted limit among those of the answer. */
export const tellLimit = ({ counted, headers }: Exchange): void => {
  if (counted) Object.assign(headers, limitHeaders(counted.limit, counted.verdict))
}
