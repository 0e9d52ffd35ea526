import type { Payment } from './payment.ts'

/** Who asks, as the signed token says. */
export type Requester = { readonly userId: string; readonly permissions: readonly string[] }

export const holds = (requester: Requester, permission: string): boolean => requester.permissions.includes(permission)

/** Own payments, or all with the permission. What a person may not see is absent for him. */
export const maySee = (payment: Payment, requester: Requester): boolean =>
  payment.userId === requester.userId || holds(requester, 'payments:read:any')

export const mayProcess = (payment: Payment, requester: Requester): boolean =>
  payment.userId === requester.userId || holds(requester, 'payments:process:any')

export const mayCancel = (payment: Payment, requester: Requester): boolean =>
  payment.userId === requester.userId || holds(requester, 'payments:cancel:any')
