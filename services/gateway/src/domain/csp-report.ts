/** One breach of a content security policy, in a few bounded words. */
export type Violation = {
  /** A directive of CSP level 3, or `other`: it labels a metric. */
  directive: string
  disposition: 'enforce' | 'report'
  /** `inline`, `eval`, a scheme, or an origin: never a path or a query, which may hold a secret. */
  blocked: string
  /** Path of the page, without its query. */
  page: string
}

const DIRECTIVES: ReadonlySet<string> = new Set([
  'default-src',
  'script-src',
  'script-src-elem',
  'script-src-attr',
  'style-src',
  'style-src-elem',
  'style-src-attr',
  'img-src',
  'font-src',
  'connect-src',
  'media-src',
  'object-src',
  'frame-src',
  'child-src',
  'worker-src',
  'manifest-src',
  'base-uri',
  'form-action',
  'frame-ancestors',
  'sandbox',
  'require-trusted-types-for',
  'trusted-types',
])

const MAX_TEXT = 200

type Fields = Readonly<Record<string, unknown>>

/** Reads the fields of either form: `application/csp-report` spells them with dashes, the Reporting API in camel case. */
export const violationOf = (report: Fields): Violation => {
  const directive = text(report, 'effective-directive', 'effectiveDirective', 'violated-directive').split(' ', 1)[0]
  return {
    directive: DIRECTIVES.has(directive ?? '') ? (directive ?? '') : 'other',
    disposition: text(report, 'disposition') === 'report' ? 'report' : 'enforce',
    blocked: originOf(text(report, 'blocked-uri', 'blockedURL')),
    page: pathOf(text(report, 'document-uri', 'documentURL')),
  }
}

const text = (report: Fields, ...names: string[]): string => {
  for (const name of names) {
    const value = report[name]
    if (typeof value === 'string') return value
  }
  return ''
}

const originOf = (url: string): string => {
  if (!URL.canParse(url)) return /^[a-z-]{1,40}$/.test(url) ? url : ''
  const { origin, protocol } = new URL(url)
  return (origin === 'null' ? protocol : origin).slice(0, MAX_TEXT)
}

const pathOf = (url: string): string => (URL.canParse(url) ? new URL(url).pathname.slice(0, MAX_TEXT) : '')
