import { createHmac, timingSafeEqual } from 'node:crypto'

export const SIGNATURE_HEADER = 'ashlar-signature'

const MAX_SIGNATURES = 10

const mac = (secret: string, seconds: string, body: Buffer): Buffer =>
  createHmac('sha256', secret).update(`${seconds}.`).update(body).digest()

export const sign = (secret: string, now: Date, body: Buffer): string => {
  const seconds = Math.floor(now.getTime() / 1_000).toString()
  return `t=${seconds},v1=${mac(secret, seconds, body).toString('hex')}`
}

export type SignatureRule = {
  secret: string
  /** How far the time of a signature may be from ours, either way: an older one could be replayed for ever. */
  toleranceSeconds: number
}

/**
 * Whether one of the signatures in `header` is that of exactly these bytes at its time, by constant-time comparison.
 * Several are taken, so that a sender may change his secret; parts of other names are left for later versions.
 */
export const isSigned = (
  { secret, toleranceSeconds }: SignatureRule,
  header: unknown,
  now: Date,
  body: Buffer,
): boolean => {
  if (typeof header !== 'string') return false
  const parts = header.split(',').map((part) => part.trim())
  const times = parts.filter((part) => part.startsWith('t='))
  const seconds = times[0]?.slice(2) ?? ''
  if (times.length !== 1 || !/^\d{1,12}$/.test(seconds)) return false
  if (Math.abs(now.getTime() / 1_000 - Number(seconds)) > toleranceSeconds) return false

  const signatures = parts.flatMap((part) =>
    /^v1=[0-9a-f]{64}$/.test(part) ? [Buffer.from(part.slice(3), 'hex')] : [],
  )
  const expected = mac(secret, seconds, body)
  return signatures.slice(0, MAX_SIGNATURES).some((signature) => timingSafeEqual(signature, expected))
}
