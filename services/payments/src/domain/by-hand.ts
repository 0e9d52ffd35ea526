import { canMove, type Payment, type PaymentStatus } from './payment.ts'

/**
 * What a person may do to a payment past the provider: cancel what is pending, complete a bank transfer that came in,
 * and fail what is processing, which is for the provider to allow.
 */
export const decideByHand = (payment: Payment, to: PaymentStatus): 'cancel' | 'complete' | 'fail' | 'illegal' => {
  if (payment.status === 'processing') return to === 'failed' ? 'fail' : 'illegal'
  if (payment.status !== 'pending' || !canMove(payment.status, to, payment.method)) return 'illegal'
  return to === 'canceled' ? 'cancel' : to === 'completed' ? 'complete' : 'illegal'
}
