import type { TemplateChecker, TemplateFlaw } from '../../application/ports.ts'
import type { TemplateNeeds, TemplateTexts } from '../../domain/template.ts'
import { type Compiled, createCompiler } from './environment.ts'
import { inspect, needsOf } from './inspect.ts'
import type { Limited } from './limits.ts'

const FIELDS = ['subject', 'html', 'text'] as const

/** Tells whether somebody's own texts can be sent: read, compiled, and rendered once with and once without what may be missing. */
export const createTemplateChecker = (limited: Limited): TemplateChecker => {
  const compile = createCompiler()
  return {
    check: (texts, needs) => {
      const read = FIELDS.map((field) => ({ field, ...inspect(texts[field], field === 'html' ? 'html' : 'plain') }))
      const flaws = read.flatMap(({ field, flaw, uses }): TemplateFlaw[] => {
        if (flaw !== undefined) return [{ field, detail: flaw }]
        const unknown = needs && [...uses].find((name) => !Object.hasOwn(needs, name))
        return unknown === undefined ? [] : [{ field, detail: notAVariable(unknown, needs ?? {}) }]
      })
      if (flaws.length > 0) return { flaws }
      const found = needs ?? needsOf(read)
      const flaw = triedOut(compile, limited, texts, found)
      return flaw ? { flaws: [flaw] } : { needs: found }
    },
  }
}

const notAVariable = (name: string, needs: TemplateNeeds): string =>
  `${name} is no variable of this template; it has ${Object.keys(needs).join(', ')}`

const triedOut = (
  compile: (texts: TemplateTexts) => Compiled,
  limited: Limited,
  texts: TemplateTexts,
  needs: TemplateNeeds,
): TemplateFlaw | undefined => {
  const filled = (optional: string | null) =>
    Object.fromEntries(Object.entries(needs).map(([name, need]) => [name, need === 'required' ? 'x' : optional]))
  // One at a time, so that the flaw can be told by its place.
  for (const field of FIELDS) {
    try {
      const compiled = compile({ subject: '', html: '', text: '', [field]: texts[field] })
      for (const optional of ['x', null]) limited(compiled, filled(optional), false)
    } catch (error) {
      return { field, detail: (error instanceof Error ? error.message : String(error)).slice(0, 300) }
    }
  }
  return undefined
}
