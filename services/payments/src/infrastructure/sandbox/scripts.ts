import type { Failure } from '../../domain/payment.ts'

/** What a call does: how long it takes, what it books, whether its caller hears of it. */
export type Script = {
  readonly delayMs?: number
  readonly books: 'succeeded' | 'declined' | 'nothing'
  readonly answers: 'yes' | 'never' | 'unavailable'
  readonly failure?: Failure
}

const SUCCEEDS: Script = { books: 'succeeded', answers: 'yes' }
const DECLINES: Script = {
  books: 'declined',
  answers: 'yes',
  failure: { code: 'card_declined', message: 'The payment method was declined' },
}

/** By token: what its charges and refunds do when they are received for the first time, and when again. */
type Behaviour = { readonly charge: (first: boolean) => Script; readonly refund: (first: boolean) => Script }

const always = (script: Script) => () => script
const usual: Behaviour = { charge: always(SUCCEEDS), refund: always(SUCCEEDS) }

const BEHAVIOURS: ReadonlyMap<string, Behaviour> = new Map<string, Behaviour>([
  ['tok_ok', usual],
  ['tok_declined', { ...usual, charge: always(DECLINES) }],
  ['tok_slow', { ...usual, charge: always({ ...SUCCEEDS, delayMs: 3_000 }) }],
  [
    'tok_timeout_before_charge',
    { ...usual, charge: (first) => (first ? { books: 'nothing', answers: 'never' } : SUCCEEDS) },
  ],
  ['tok_timeout_after_charge', { ...usual, charge: (first) => (first ? { ...SUCCEEDS, answers: 'never' } : SUCCEEDS) }],
  ['tok_unavailable', { ...usual, charge: always({ books: 'nothing', answers: 'unavailable' }) }],
  [
    'tok_refund_declined',
    {
      ...usual,
      refund: always({ ...DECLINES, failure: { code: 'refund_declined', message: 'The refund was declined' } }),
    },
  ],
  ['tok_refund_timeout', { ...usual, refund: (first) => (first ? { ...SUCCEEDS, answers: 'never' } : SUCCEEDS) }],
])

export const isKnownToken = (source: string): boolean => BEHAVIOURS.has(source)

export const scriptOf = (source: string, kind: 'charge' | 'refund', first: boolean): Script => {
  const behaviour = BEHAVIOURS.get(source)
  if (!behaviour) throw new Error('the sandbox does not know this token')
  return behaviour[kind](first)
}
