/** What a template's texts are filled with, by name. A required one that is missing is a defect; an optional one may be null. */
export type TemplateNeeds = Readonly<Record<string, 'required' | 'optional'>>

/** `built-in` came with a release and is trusted; `own` was written by somebody of this installation. */
export type TemplateOrigin = 'built-in' | 'own'

export type TemplateTexts = {
  /** Plain text, not escaped; rendered to one line. */
  subject: string
  /** Escaped. May use the partials `layout` and `button`. */
  html: string
  /** Plain text, not escaped. */
  text: string
}

/**
 * A mail's three texts in Handlebars, under a name and a version. A version never changes once it is stored: a queued
 * message names the one it is made from.
 */
export type Template = TemplateTexts & {
  name: string
  version: number
  variables: TemplateNeeds
  origin: TemplateOrigin
}

/** What the texts are filled with: flat and printable, so that a template can reach nothing else. */
export type Variables = Readonly<Record<string, string | null>>

export type RenderedMail = TemplateTexts

/** What this service itself fills in, for every template. */
export const SUPPLIED = ['product', 'signInLink'] as const

const isSupplied = (name: string): boolean => (SUPPLIED as readonly string[]).includes(name)

/** The needs that whoever asks for a mail has to meet. */
export const neededFromCaller = (needs: TemplateNeeds): TemplateNeeds =>
  Object.fromEntries(Object.entries(needs).filter(([name]) => !isSupplied(name)))

export type VariableFlaw = { name: string; code: 'required' | 'unknown_field' }

/** What is wrong with the variables of a request: required ones that are missing, and ones that the template does not have. */
export const flawsOf = (needs: TemplateNeeds, given: Variables): VariableFlaw[] => {
  const asked = neededFromCaller(needs)
  const missing = Object.entries(asked).filter(([name, need]) => need === 'required' && (given[name] ?? null) === null)
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(asked, name))
  return [
    ...missing.map(([name]): VariableFlaw => ({ name, code: 'required' })),
    ...unknown.map((name): VariableFlaw => ({ name, code: 'unknown_field' })),
  ]
}
