/**
 * The time that domain decisions use. Leases, locks and expiry shared between instances use the
 * database's time instead.
 */
export type Clock = { now(): Date }

export const systemClock: Clock = { now: () => new Date() }
