import type { TemplateNeeds, TemplateTexts } from '../template.ts'
import { emailAlreadyRegistered, otpCode, passwordReset, securityAlert, verifyEmail, welcome } from './account.ts'
import { paymentConfirmation, paymentFailed, paymentReceived, paymentRefunded } from './payment.ts'

/** A template as this release brings it; its version is given when it is stored. */
export type BuiltInTemplate = TemplateTexts & { name: TemplateName; variables: TemplateNeeds }

export type TemplateName =
  | 'verify-email'
  | 'email-already-registered'
  | 'password-reset'
  | 'otp-code'
  | 'welcome'
  | 'security-alert'
  | 'payment-received'
  | 'payment-confirmation'
  | 'payment-failed'
  | 'payment-refunded'

export const BUILT_IN_TEMPLATES: readonly BuiltInTemplate[] = [
  verifyEmail,
  emailAlreadyRegistered,
  passwordReset,
  otpCode,
  welcome,
  securityAlert,
  paymentReceived,
  paymentConfirmation,
  paymentFailed,
  paymentRefunded,
]

export const builtIn = (name: string): BuiltInTemplate | undefined =>
  BUILT_IN_TEMPLATES.find((template) => template.name === name)

/** Mails whose secret or reason comes from auth alone: written by hand, they would be phishing in this product's name. */
const AUTH_ONLY: readonly string[] = ['verify-email', 'email-already-registered', 'password-reset', 'otp-code']

export const mayBeSentByHand = (name: string): boolean => !AUTH_ONLY.includes(name)

/** Codes, links and security alerts: they go before all others, and no rate holds them up. */
export const isUrgent = (name: string): boolean => AUTH_ONLY.includes(name) || name === 'security-alert'
