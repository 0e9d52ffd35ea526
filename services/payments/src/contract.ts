import { isCurrency, parseMoney } from '@ashlar/kernel'
import { defineErrors, defineRoute, pageOf, pageQuery, timeBound, timestamp, uuid } from '@ashlar/platform/contract'
import { defineEvent } from '@ashlar/platform/events'
import { z } from 'zod'

export const paymentsErrors = defineErrors({
  payment_transition_illegal: { status: 409, title: 'The payment is in a state that does not allow this' },
  refund_exceeds_payment: { status: 422, title: 'The refund is above what is left of the payment' },
  source_required: { status: 422, title: 'A payment source is required' },
  source_unknown: { status: 422, title: 'The provider does not know this payment source' },
  provider_not_configured: { status: 503, title: 'No payment provider is configured' },
  signature_invalid: { status: 401, title: 'The signature of this webhook is not valid' },
})

const method = z.enum(['credit_card', 'debit_card', 'paypal', 'bank_transfer'])
const status = z.enum(['pending', 'processing', 'completed', 'failed', 'canceled', 'partially_refunded', 'refunded'])

/** Text that every store can keep: PostgreSQL refuses NUL, and half a surrogate pair is no character. */
const storable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()
const text = (max: number) => z.string().max(max).refine(storable, 'must not contain NUL or broken characters')

const amount = z
  .string()
  .max(32)
  .describe("Decimal string with exactly the currency's places, e.g. 10.00 EUR, 1000 JPY; above zero")
const currency = z.string().refine(isCurrency, 'must be an ISO 4217 code in upper case').describe('ISO 4217')

const METADATA_MAX_KEYS = 50
const METADATA_MAX_BYTES = 8_192

/** A number like 1e400 is read as infinite, which no JSON can hold again. */
const allStorable = (value: unknown): boolean => {
  if (typeof value === 'string') return storable(value)
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, inner]) => storable(key) && allStorable(inner))
}
const metadata = z
  .record(z.string(), z.unknown())
  .refine((value) => Object.keys(value).length <= METADATA_MAX_KEYS, `at most ${METADATA_MAX_KEYS} keys`)
  .refine(
    (value) => new TextEncoder().encode(JSON.stringify(value)).length <= METADATA_MAX_BYTES,
    `at most ${METADATA_MAX_BYTES} bytes as JSON`,
  )
  .refine(allStorable, 'must not contain NUL, broken characters or numbers that are too large')
  .describe(`At most ${METADATA_MAX_KEYS} keys and ${METADATA_MAX_BYTES} bytes as JSON`)

const source = text(255).min(1).describe("The provider's payment token")

const reason = text(500).refine((given) => given.trim() !== '', 'must say something')

const createPaymentBody = z
  .strictObject({
    amount,
    currency,
    method,
    source: source.optional(),
    description: text(2_000).optional(),
    metadata: metadata.optional(),
  })
  .superRefine((body, context) => {
    const money = parseMoney(body.amount, body.currency)
    if (!money.ok) context.addIssue({ code: 'custom', path: ['amount'], message: AMOUNT_REFUSED[money.error] })
  })

const AMOUNT_REFUSED = {
  currency_unknown: 'the currency is not known',
  amount_malformed: "must be a decimal string with exactly the currency's places, without sign or superfluous zeros",
  amount_out_of_range: 'must be above zero and at most 999,999,999,999 minor units',
} as const

export const payment = z.object({
  transactionId: uuid,
  userId: uuid,
  amount: z.string(),
  currency: z.string(),
  method,
  status,
  refundedAmount: z.string(),
  description: z.string().nullable(),
  metadata: z.record(z.string(), z.unknown()),
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
  attempts: z.int(),
  version: z.int(),
  createdAt: timestamp,
  updatedAt: timestamp,
})
export type PaymentOnTheWire = z.infer<typeof payment>

export const refund = z.object({
  id: uuid,
  transactionId: uuid,
  amount: z.string(),
  currency: z.string(),
  status: z.enum(['pending', 'succeeded', 'failed']),
  reason: z.string().nullable(),
  createdAt: timestamp,
})
export type RefundOnTheWire = z.infer<typeof refund>

const params = z.object({ id: uuid })

const listQuery = pageQuery({
  status: status.optional(),
  method: method.optional(),
  currency: currency.optional(),
  from: timeBound.optional().describe('Created at or after'),
  to: timeBound.optional().describe('Created before'),
  minAmount: amount.optional().describe('Needs currency'),
  maxAmount: amount.optional().describe('Needs currency'),
}).superRefine((query, context) => {
  for (const name of ['minAmount', 'maxAmount'] as const) {
    const bound = query[name]
    if (bound === undefined) continue
    const money = query.currency === undefined ? undefined : parseMoney(bound, query.currency)
    if (!money) context.addIssue({ code: 'custom', path: [name], message: 'needs currency' })
    else if (!money.ok) context.addIssue({ code: 'custom', path: [name], message: AMOUNT_REFUSED[money.error] })
  }
})

const createRoute = (path: '/payments' | '/payments/create') =>
  defineRoute({
    method: 'POST',
    path,
    summary: 'Create a payment; nothing is charged yet',
    access: 'user',
    body: createPaymentBody,
    idempotency: 'transaction',
    responses: { 201: payment },
    errors: [],
  })

export const paymentsRoutes = {
  createPayment: createRoute('/payments/create'),
  createPaymentAtCollection: createRoute('/payments'),
  listPayments: defineRoute({
    method: 'GET',
    path: '/payments',
    summary: 'List own payments, or all with payments:read:any; newest first',
    access: 'user',
    query: listQuery,
    responses: { 200: pageOf(payment) },
    errors: [],
  }),
  getPayment: defineRoute({
    method: 'GET',
    path: '/payments/:id',
    summary: 'Read a payment',
    access: 'user',
    params,
    responses: { 200: payment },
    errors: ['not_found'],
  }),
  processPayment: defineRoute({
    method: 'POST',
    path: '/payments/:id/process',
    summary: 'Charge a pending payment, once; 202 while its end is not known',
    access: 'user',
    params,
    body: z.strictObject({ source: source.optional() }).optional(),
    idempotency: 'lease',
    responses: { 200: payment, 202: payment },
    errors: [
      'not_found',
      'forbidden',
      'precondition_failed',
      'payment_transition_illegal',
      'source_required',
      'source_unknown',
      'provider_not_configured',
    ],
  }),
  refundPayment: defineRoute({
    method: 'POST',
    path: '/payments/:id/refunds',
    summary: 'Refund a payment, in part or all that is left',
    access: { permission: 'payments:refund' },
    params,
    body: z.strictObject({ amount: amount.optional(), reason: text(500).optional() }).optional(),
    idempotency: 'lease',
    responses: { 201: refund },
    errors: [
      'not_found',
      'validation_failed',
      'precondition_failed',
      'payment_transition_illegal',
      'refund_exceeds_payment',
      'provider_not_configured',
    ],
  }),
  listRefunds: defineRoute({
    method: 'GET',
    path: '/payments/:id/refunds',
    summary: 'List the refunds of a payment; newest first',
    access: 'user',
    params,
    query: pageQuery(),
    responses: { 200: pageOf(refund) },
    errors: ['not_found'],
  }),
  setStatus: defineRoute({
    method: 'PUT',
    path: '/payments/:id/status',
    summary: 'Cancel, complete or fail a payment by hand',
    description:
      'pending → canceled; pending → completed for bank_transfer, with a reason; processing → failed once the provider has said that it holds no charge. Nothing else.',
    access: { permission: 'payments:write:any' },
    params,
    body: z.strictObject({ status, reason: reason.optional() }),
    responses: { 200: payment },
    errors: [
      'not_found',
      'validation_failed',
      'precondition_failed',
      'payment_transition_illegal',
      'provider_not_configured',
      'dependency_unavailable',
    ],
  }),
  cancelPayment: defineRoute({
    method: 'DELETE',
    path: '/payments/:id',
    summary: 'Cancel a pending payment; it stays, canceled',
    access: 'user',
    params,
    responses: { 204: null },
    errors: ['not_found', 'forbidden', 'precondition_failed', 'payment_transition_illegal'],
  }),
  receiveWebhook: defineRoute({
    method: 'POST',
    path: '/payments/webhooks/:provider',
    summary: 'What a payment provider tells by itself',
    description:
      'Signed by `Ashlar-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">` over the bytes as they were sent. A repeat is answered as the first one was.',
    access: 'public',
    params: z.object({ provider: z.string().max(40) }),
    rawBody: true,
    responses: { 204: null },
    errors: ['not_found', 'signature_invalid'],
  }),
} as const

const moneyMoved = {
  transactionId: uuid,
  userId: uuid,
  amount: z.string(),
  currency: z.string(),
  timestamp,
}
const about = (summary: string) => ({ summary, subject: 'the transactionId' })

export const paymentCreated = defineEvent(
  'payment.created.v1',
  z.object({ ...moneyMoved, method }),
  about('A payment was created; nothing is charged yet'),
)
export const paymentProcessed = defineEvent(
  'payment.processed.v1',
  z.object({ ...moneyMoved, status: z.literal('completed') }),
  about('A payment was charged, or its bank transfer was confirmed by hand'),
)
export const paymentFailed = defineEvent(
  'payment.failed.v1',
  z.object({ ...moneyMoved, status: z.literal('failed'), errorMessage: z.string() }),
  about('A payment failed: declined, or void because the provider holds no charge'),
)
export const paymentRefunded = defineEvent(
  'payment.refunded.v1',
  z.object({ ...moneyMoved, refundId: uuid, status: z.enum(['partially_refunded', 'refunded']) }),
  about('A refund succeeded; the amount is that of the refund'),
)
export const paymentCanceled = defineEvent(
  'payment.canceled.v1',
  z.object({ ...moneyMoved, status: z.literal('canceled') }),
  about('A pending payment was canceled; nothing was charged'),
)
export const paymentsEvents = [
  paymentCreated,
  paymentProcessed,
  paymentFailed,
  paymentRefunded,
  paymentCanceled,
] as const
