/**
 * A mail's three texts in Handlebars, under a name and a version. A version never changes once it was used:
 * a queued message names the one it was made from.
 */
export type Template = {
  name: string
  version: number
  /** Every variable the texts may use. A required one that is missing is a defect of the caller; an optional one may be null. */
  variables: Readonly<Record<string, 'required' | 'optional'>>
  /** Plain text, not escaped; rendered to one line. */
  subject: string
  /** Escaped. May use the partial `layout`. */
  html: string
  /** Plain text, not escaped. */
  text: string
}

/** What the texts are filled with: flat and printable, so that a template can reach nothing else. */
export type Variables = Readonly<Record<string, string | null>>

export type RenderedMail = { subject: string; html: string; text: string }
