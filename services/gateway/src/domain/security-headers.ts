export type SecurityRules = {
  /** Breaches of a content security policy are told of, not stopped. */
  reportOnly: boolean
  /** How long browsers remember to come by https alone; 0 leaves the field out. */
  hstsSeconds: number
}

export const POLICY = 'content-security-policy'
export const REPORT_ONLY_POLICY = 'content-security-policy-report-only'
export const HSTS = 'strict-transport-security'

/** Where browsers send what broke a policy. */
export const REPORTS_PATH = '/csp-report/'

/** Set on every answer. A service's own value of the same field wins. */
export const securityHeaders = ({ reportOnly, hstsSeconds }: SecurityRules): Readonly<Record<string, string>> => ({
  [reportOnly ? REPORT_ONLY_POLICY : POLICY]:
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
  ...(hstsSeconds > 0 && { [HSTS]: `max-age=${hstsSeconds}` }),
})

const REPORTING = `report-uri ${REPORTS_PATH}; report-to csp`

/** The fields of a page that sends reports: the policy itself, and the address for browsers of the Reporting API. */
const pageHeaders = (policy: string): Record<string, string> => ({
  [POLICY]: `${policy}; base-uri 'none'; frame-ancestors 'none'; ${REPORTING}`,
  'reporting-endpoints': `csp="${REPORTS_PATH}"`,
})

/** A page of ours: its one inline style carries the nonce, nothing is loaded, forms go back to this host. */
export const pagePolicy = (nonce: string): Record<string, string> =>
  pageHeaders(`default-src 'none'; style-src 'nonce-${nonce}'; img-src data:; form-action 'self'`)

/** The API reference: its own scripts and styles by nonce, calls to this host alone, pictures that the styles hold. */
export const referencePolicy = (nonce: string): Record<string, string> =>
  pageHeaders(
    `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; img-src 'self' data:; connect-src 'self'; form-action 'none'`,
  )
