import { err, ok, type Result } from '@ashlar/kernel'

/** A request target after its one canonical form was found. `query` is empty or starts with `?`. */
export type Target = { path: string; query: string }

/** Only unreserved characters and no segment that starts with a dot: already canonical, as nearly every request is. */
const PLAIN = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/
/** The characters of RFC 3986, section 3.3, without `;`, which some servers cut paths at. */
const LEGAL = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@%/]*$/
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/
/** What must not hide behind an escape: separators, dots, another escape, controls. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const HIDDEN = /[/\\.;%\u0000-\u001f\u007f]/
/** Escapes of `encodeURIComponent` that a path segment carries as they are. */
const NEEDLESS = /%(?:24|26|2B|2C|3A|3D|40)/g

/**
 * The one form of a path on which everything is decided and which is forwarded, so that no two parts can see
 * different paths behind one request. Percent escapes end up in one spelling; one trailing slash and the prefix
 * `/api` are dropped. Refused with a reason: what has a second reading (encoded slash, dot or percent, `//`, `;`,
 * backslash, NUL and other controls, bad UTF-8, `.` and `..`).
 */
export const canonicalTarget = (originForm: string): Result<Target, string> => {
  const at = originForm.indexOf('?')
  const raw = at < 0 ? originForm : originForm.slice(0, at)
  const query = at < 0 ? '' : originForm.slice(at)
  if (query.includes('#')) return err('The target has a fragment.')

  const slashless = raw.length > 1 && raw.endsWith('/') ? raw.slice(0, -1) : raw
  if (slashless === '/' || PLAIN.test(slashless)) return ok({ path: withoutApi(slashless), query })

  if (!LEGAL.test(raw)) return err('The path has a character that does not belong into one.')
  if (raw.includes('//')) return err('The path has an empty segment.')
  if (BAD_ESCAPE.test(raw)) return err('The path has an incomplete percent escape.')

  const segments: string[] = []
  for (const segment of slashless.slice(1).split('/')) {
    if (segment === '.' || segment === '..') return err('The path has a dot segment.')
    const text = decoded(segment)
    if (text === undefined) return err('The path is not UTF-8.')
    if (segment.includes('%') && HIDDEN.test(escapedPart(segment)))
      return err('The path hides a character behind an escape.')
    segments.push(encodeURIComponent(text).replace(NEEDLESS, decodeURIComponent))
  }
  return ok({ path: withoutApi(`/${segments.join('/')}`), query })
}

const decoded = (segment: string): string | undefined => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** The characters that were written as escapes, decoded: only they can hide something. */
const escapedPart = (segment: string): string =>
  decodeURIComponent((segment.match(/(?:%[0-9A-Fa-f]{2})+/g) ?? []).join(''))

const withoutApi = (path: string): string => {
  if (!path.startsWith('/api')) return path
  if (path.length === 4) return '/'
  return path.charCodeAt(4) === 47 ? path.slice(4) : path
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i

/**
 * The origin form of a request target (RFC 9112, section 3.2). An absolute form counts only when it names the same
 * host as the `Host` field: otherwise one part would trust the target and another one the field.
 */
export const originForm = (target: string, host: string | undefined): Result<string, string> => {
  if (target.charCodeAt(0) === 47) return ok(target)
  const [, authority, rest] = ABSOLUTE.exec(target) ?? []
  if (authority === undefined || rest === undefined)
    return err('The request target is neither a path nor a URL of this host.')
  if (host === undefined || authority.toLowerCase() !== host.toLowerCase()) {
    return err('The request target names another host than the Host field.')
  }
  return ok(rest.startsWith('/') ? rest : `/${rest}`)
}
