/** Fields in which proxies tell a server who the caller is, or where he comes from. Only this gateway may say so. */
const NAMES: ReadonlySet<string> = new Set([
  'ashlar-claims',
  'forwarded',
  'from',
  'remote-user',
  'remote-groups',
  'remote-email',
  'remote-name',
  'via-user',
  'ssl-client-cert',
  'ssl-client-verify',
  'client-cert',
  'client-cert-chain',
  'true-client-ip',
  'fastly-client-ip',
  'fly-client-ip',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-originating-ip',
  'x-remote-ip',
  'x-remote-addr',
  'x-remote-user',
  'x-authenticated-user',
  'x-authenticated-userid',
  'x-roles',
  'x-permissions',
  'x-session-id',
  'x-tenant-id',
  'x-ssl-client-cert',
  'x-client-cert',
  'x-original-url',
  'x-original-uri',
  'x-rewrite-url',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
])
const PREFIXES = [
  'x-user',
  'x-forwarded',
  'x-auth-request-',
  'x-auth-user',
  'x-ashlar-',
  'x-jwt-',
  'x-webauth-',
  'x-goog-iap-',
  'x-amzn-oidc-',
  'x-ms-client-principal',
]

/** True for a lower-case field name that claims an identity, an address, or another path or method than the request's own. */
export const claimsIdentity = (name: string): boolean => {
  // An underscore reads as a dash to servers that pass fields on as CGI variables.
  const plain = name.includes('_') ? name.replaceAll('_', '-') : name
  return NAMES.has(plain) || (plain.startsWith('x-') && PREFIXES.some((prefix) => plain.startsWith(prefix)))
}

/**
 * Removes such fields from a request, in both forms that Node keeps. Answers whether there were any, so that the
 * usual request pays for one look at each name only.
 */
export const dropIdentityHeaders = (request: { headers: Record<string, unknown>; rawHeaders: string[] }): boolean => {
  let dropped = false
  for (const name in request.headers) {
    if (!claimsIdentity(name)) continue
    delete request.headers[name]
    dropped = true
  }
  if (!dropped) return false
  const kept: string[] = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] ?? ''
    if (!claimsIdentity(name.toLowerCase())) kept.push(name, request.rawHeaders[at + 1] ?? '')
  }
  request.rawHeaders.splice(0, request.rawHeaders.length, ...kept)
  return true
}
