import type { Template } from '../template.ts'
import { emailAlreadyRegistered, passwordReset, securityAlert, verifyEmail, welcome } from './account.ts'
import { paymentConfirmation, paymentFailed, paymentReceived, paymentRefunded } from './payment.ts'

/** The templates that come with Ashlar, all versions ever used: a message queued by an earlier release still finds its own. */
export const BUILT_IN_TEMPLATES: readonly Template[] = [
  verifyEmail,
  emailAlreadyRegistered,
  passwordReset,
  welcome,
  securityAlert,
  paymentReceived,
  paymentConfirmation,
  paymentFailed,
  paymentRefunded,
]

export type TemplateName =
  | 'verify-email'
  | 'email-already-registered'
  | 'password-reset'
  | 'welcome'
  | 'security-alert'
  | 'payment-received'
  | 'payment-confirmation'
  | 'payment-failed'
  | 'payment-refunded'

/** The version that new messages are made from; undefined for a name that does not exist. */
export const latestTemplate = (templates: readonly Template[], name: string): Template | undefined =>
  templates.reduce<Template | undefined>(
    (latest, template) => (template.name === name && template.version > (latest?.version ?? 0) ? template : latest),
    undefined,
  )
