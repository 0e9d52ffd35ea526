import { runInThisContext } from 'node:vm'
import Handlebars from 'handlebars'
import { oneLine } from '../../domain/greeting.ts'
import type { RenderedMail, TemplateTexts } from '../../domain/template.ts'
import { LAYOUT, LINK_BUTTON } from '../../domain/templates/layout.ts'

export type Values = Readonly<Record<string, string | null>>

/** Three texts that are ready to be filled. */
export type Compiled = (values: Values) => RenderedMail

/** Helpers a template may call. Everything else fails when it is compiled, also what Handlebars brings by itself. */
const KNOWN_HELPERS = {
  if: true,
  unless: true,
  each: true,
  with: false,
  log: false,
  lookup: false,
  helperMissing: false,
  blockHelperMissing: false,
} as const

/** Only own properties are reached: `{{constructor}}` and `{{__proto__}}` are as unknown as any other missing name. */
const RUNTIME = {
  allowProtoPropertiesByDefault: false,
  allowProtoMethodsByDefault: false,
  allowCallsToHelperMissing: false,
} as const

const MAX_SUBJECT_LENGTH = 200

/**
 * Compiles texts in an environment of their own: closed helpers, strict lookups (a forgotten variable throws instead of
 * leaving a hole), HTML escaped. Takes text only: a parsed template that is passed as an object could bring code along
 * (CVE-2026-33937).
 */
export const createCompiler = (): ((texts: TemplateTexts) => Compiled) => {
  const environment = Handlebars.create()
  // The library's own `compile` puts the work off to the first call, which would count against the time of that message.
  const compile = (source: string, escaped: boolean): Handlebars.TemplateDelegate => {
    const program = environment.precompile(String(source), {
      strict: true,
      noEscape: !escaped,
      knownHelpersOnly: true,
      knownHelpers: { ...KNOWN_HELPERS },
    })
    return environment.template(runInThisContext(`(${program})`))
  }
  environment.registerPartial('layout', compile(LAYOUT, true))
  environment.registerPartial('button', compile(LINK_BUTTON, true))

  return (texts) => {
    const subject = compile(texts.subject, false)
    const html = compile(texts.html, true)
    const text = compile(texts.text, false)
    return (values) => ({
      subject: oneLine(subject(values, RUNTIME)).slice(0, MAX_SUBJECT_LENGTH),
      html: html(values, RUNTIME),
      text: text(values, RUNTIME),
    })
  }
}
