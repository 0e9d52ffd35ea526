import { runInThisContext } from 'node:vm'
import Handlebars from 'handlebars'
import type { Renderer } from '../../application/ports.ts'
import { oneLine } from '../../domain/greeting.ts'
import type { Template, Variables } from '../../domain/template.ts'
import { LAYOUT, LINK_BUTTON } from '../../domain/templates/layout.ts'
import { createTimeLimit } from './time-limit.ts'

export type RenderLimits = { maxBytes: number; maxMs: number; cachedTemplates: number }

type Compiled = {
  subject: Handlebars.TemplateDelegate
  html: Handlebars.TemplateDelegate
  text: Handlebars.TemplateDelegate
}

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
 * Renders templates in an environment of their own: closed helpers, strict lookups (a forgotten variable throws
 * instead of leaving a hole), HTML escaped, and limits on size and time. `templates` are compiled at once, others when
 * first used; both are kept under `templates:{name}:v{n}`. A version never changes, so nothing has to be invalidated.
 */
export const createRenderer = (limits: RenderLimits, templates: readonly Template[] = []): Renderer => {
  const environment = Handlebars.create()
  // The library's own `compile` puts the work off to the first call, which would count against the time of that message.
  const compile = (source: string, escaped: boolean): Handlebars.TemplateDelegate => {
    const program = environment.precompile(source, {
      strict: true,
      noEscape: !escaped,
      knownHelpersOnly: true,
      knownHelpers: { ...KNOWN_HELPERS },
    })
    return environment.template(runInThisContext(`(${program})`))
  }
  environment.registerPartial('layout', compile(LAYOUT, true))
  environment.registerPartial('button', compile(LINK_BUTTON, true))

  const cache = new Map<string, Compiled>()
  const compiled = (template: Template): Compiled => {
    const key = `templates:${template.name}:v${template.version}`
    const known = cache.get(key)
    if (known) return known
    const made = {
      subject: compile(template.subject, false),
      html: compile(template.html, true),
      text: compile(template.text, false),
    }
    if (cache.size >= limits.cachedTemplates) cache.delete(cache.keys().next().value ?? '')
    cache.set(key, made)
    return made
  }

  for (const template of templates) compiled(template)

  const within = createTimeLimit(limits.maxMs)
  return {
    render: (template, variables) => {
      const texts = compiled(template)
      const input = checked(template, variables)
      const mail = within(() => ({
        subject: oneLine(texts.subject(input, RUNTIME)).slice(0, MAX_SUBJECT_LENGTH),
        html: texts.html(input, RUNTIME),
        text: texts.text(input, RUNTIME),
      }))
      const sizeBytes = Buffer.byteLength(mail.subject) + Buffer.byteLength(mail.html) + Buffer.byteLength(mail.text)
      if (sizeBytes > limits.maxBytes) {
        throw new Error(`template ${template.name} v${template.version} made more than ${limits.maxBytes} bytes`)
      }
      return mail
    },
  }
}

/** Strings and null only, one line each, under the declared names: no object, hence no template passed as data, ever gets in. */
const checked = (template: Template, variables: Variables): Record<string, string | null> => {
  const input: Record<string, string | null> = Object.create(null)
  for (const [name, need] of Object.entries(template.variables)) {
    const value = variables[name] ?? null
    if (value !== null && typeof value !== 'string') throw new Error(`variable ${name} of ${template.name} is no text`)
    if (need === 'required' && value === null) throw new Error(`template ${template.name} lacks its variable ${name}`)
    input[name] = value === null ? null : oneLine(value)
  }
  return input
}
