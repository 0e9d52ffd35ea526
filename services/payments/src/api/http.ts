import { err, ok } from '@ashlar/kernel'
import { answer, type Handler, type Handlers, type HttpResponse, ifMatch, type Refusal } from '@ashlar/platform/http'
import type { PlatformTx, UnitOfWork } from '@ashlar/platform/postgres'
import type { CancelPayment } from '../application/commands/cancel-payment.ts'
import type { createPayment } from '../application/commands/create-payment.ts'
import type { ProcessPayment } from '../application/commands/process-payment.ts'
import type { RefundPayment } from '../application/commands/refund-payment.ts'
import type { SetStatus } from '../application/commands/set-status.ts'
import type { PaymentStore, PaymentTx } from '../application/ports.ts'
import type { Precondition } from '../application/precondition.ts'
import type { GetPayment } from '../application/queries/get-payment.ts'
import type { ListPayments } from '../application/queries/list-payments.ts'
import type { ListRefunds } from '../application/queries/list-refunds.ts'
import type { paymentsRoutes } from '../contract.ts'
import type { Payment } from '../domain/payment.ts'
import { pageResponse, positionOf } from './paging.ts'
import type { ReceiveWebhook } from './webhooks.ts'
import { dateOf, minorOf, moneyOf, paymentToWire, refundToWire } from './wire.ts'

type Routes = typeof paymentsRoutes

export type HttpDeps = {
  unitOfWork: UnitOfWork<PaymentTx & PlatformTx>
  /** Makes the use case for a unit of work that also holds the request's idempotency key. */
  createPayment: (unitOfWork: PaymentStore['unitOfWork']) => ReturnType<typeof createPayment>
  processPayment: ProcessPayment
  refundPayment: RefundPayment
  getPayment: GetPayment
  listPayments: ListPayments
  listRefunds: ListRefunds
  setStatus: SetStatus
  cancelPayment: CancelPayment
  receiveWebhook: ReceiveWebhook
}

export const paymentsHandlers = (deps: HttpDeps): Handlers<Routes> => {
  const create: Handler<Routes['createPayment']> = ({ body, caller, idempotency }) => {
    const { amount, currency, method, source, description = null, metadata = {} } = body
    const input = { userId: caller.userId, money: moneyOf(amount, currency), method, source, description, metadata }
    return idempotency.inTransaction(
      deps.unitOfWork,
      (uow) => deps.createPayment(uow)(input),
      (payment) => created(payment),
    )
  }
  return {
    createPayment: create,
    createPaymentAtCollection: create,

    getPayment: async ({ params, caller }) =>
      answer(await deps.getPayment({ requester: caller, transactionId: params.id }), shown),

    listPayments: async ({ query, caller, cursors }) => {
      const { limit, cursor, minAmount, maxAmount, from, to, ...same } = query
      const filter = {
        ...same,
        from: dateOf(from),
        to: dateOf(to),
        minMinor: minorOf(minAmount, query.currency),
        maxMinor: minorOf(maxAmount, query.currency),
      }
      const bound = { list: 'payments', user: caller.userId, minAmount, maxAmount, from, to, ...same }
      const after = positionOf(cursors, bound, cursor)
      if (!after.ok) return after
      const page = { limit, after: after.value }
      return answer(await deps.listPayments({ requester: caller, filter, page }), (found) =>
        pageResponse(found, paymentToWire, (position) => cursors.encode(bound, position)),
      )
    },

    processPayment: ({ params, body, caller, headers, idempotency }) =>
      idempotency.leased(
        deps.unitOfWork,
        (key) =>
          deps.processPayment({
            requester: caller,
            transactionId: params.id,
            source: body?.source,
            key,
            unchanged: unchangedSince(headers),
          }),
        (payment) => processed(payment),
      ),

    refundPayment: ({ params, body, caller, headers, idempotency }) =>
      idempotency.leased(
        deps.unitOfWork,
        async (key) => {
          const { amount, reason = null } = body ?? {}
          const unchanged = unchangedSince(headers)
          const input = { requesterId: caller.userId, transactionId: params.id, amount, reason, key, unchanged }
          const result = await deps.refundPayment(input)
          return result.ok ? result : err(result.error === 'amount_malformed' ? AMOUNT_MALFORMED : result.error)
        },
        (refund) => ({ status: 201, body: refundToWire(refund) }),
      ),

    listRefunds: async ({ params, query, caller, cursors }) => {
      const bound = { list: 'refunds', payment: params.id }
      const after = positionOf(cursors, bound, query.cursor)
      if (!after.ok) return after
      const page = { limit: query.limit, after: after.value }
      return answer(await deps.listRefunds({ requester: caller, transactionId: params.id, page }), (found) =>
        pageResponse(found, refundToWire, (position) => cursors.encode(bound, position)),
      )
    },

    setStatus: async ({ params, body, headers }) => {
      const unchanged = unchangedSince(headers)
      const result = await deps.setStatus({ transactionId: params.id, ...body, unchanged })
      if (!result.ok) return err(result.error === 'reason_required' ? REASON_REQUIRED : result.error)
      return ok(shown(result.value))
    },

    cancelPayment: async ({ params, caller, headers }) =>
      answer(
        await deps.cancelPayment({
          requester: caller,
          transactionId: params.id,
          unchanged: unchangedSince(headers),
        }),
        () => ({ status: 204 }),
      ),

    receiveWebhook: async ({ params, headers, rawBody }) =>
      answer(await deps.receiveWebhook({ provider: params.provider, headers, rawBody }), () => ({ status: 204 })),
  }
}

type Headers = Parameters<typeof ifMatch>[0]

/** Each version of a payment is one representation, byte for byte: its tag is a strong one. */
const etagOf = ({ version }: Payment): string => `"${version}"`
const unchangedSince =
  (headers: Headers): Precondition =>
  (payment) =>
    ifMatch(headers, etagOf(payment))

const show = (status: number, payment: Payment, headers: Record<string, string> = {}): HttpResponse => ({
  status,
  headers: { etag: etagOf(payment), ...headers },
  body: paymentToWire(payment),
})
const shown = (payment: Payment): HttpResponse => show(200, payment)
const created = (payment: Payment): HttpResponse =>
  show(201, payment, { location: `/payments/${payment.transactionId}` })
/** 202 as long as nobody knows how the charge ended. */
const processed = (payment: Payment): HttpResponse => show(payment.status === 'processing' ? 202 : 200, payment)

const AMOUNT_MALFORMED: Exclude<Refusal<'validation_failed'>, string> = {
  code: 'validation_failed',
  errors: [{ pointer: '/amount', code: 'custom', detail: "is not an amount above zero in the payment's currency" }],
}

const REASON_REQUIRED: Exclude<Refusal<'validation_failed'>, string> = {
  code: 'validation_failed',
  errors: [{ pointer: '/reason', code: 'required', detail: 'A payment that is completed by hand needs a reason.' }],
}
