import type { Payment } from '../domain/payment.ts'

/** Whether the payment still is what the caller decided on. Asked under its lock, of things that he may see. */
export type Precondition = (payment: Payment) => boolean
