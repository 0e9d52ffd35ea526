import type { Cache } from '@ashlar/platform/cache'
import type { Renderer, TemplateReader } from '../../application/ports.ts'
import { oneLine } from '../../domain/greeting.ts'
import type { TemplateNeeds, Variables } from '../../domain/template.ts'
import { type Compiled, createCompiler, type Values } from './environment.ts'
import type { Limited } from './limits.ts'

/** A version as it lies in the cache: compiled once, however many messages are made from it. */
export type ReadyTemplate = { needs: TemplateNeeds; trusted: boolean; compiled: Compiled }

type Options = {
  templates: TemplateReader
  /** Keys are `templates:{name}:v{n}`. A version never changes, so what lies there is never out of date. */
  cache: Cache<ReadyTemplate>
  limited: Limited
  /** Filled in for every template that has such a variable. */
  supplied: Variables
}

/** Renders messages from stored versions. Those that came with a release are trusted; others are held to the time limit. */
export const createRenderer = ({ templates, cache, limited, supplied }: Options): Renderer => {
  const compile = createCompiler()
  const load = async (name: string, version: number): Promise<ReadyTemplate> => {
    const template = await templates.find(name, version)
    if (!template) throw new Error(`there is no version ${version} of the template ${name}`)
    return { needs: template.variables, trusted: template.origin === 'built-in', compiled: compile(template) }
  }
  return {
    render: async (name, version, variables) => {
      const { needs, trusted, compiled } = await cache.get(`templates:${name}:v${version}`, () => load(name, version))
      try {
        return limited(compiled, checked(needs, { ...variables, ...supplied }), trusted)
      } catch (error) {
        throw new Error(`template ${name} v${version}: ${error instanceof Error ? error.message : String(error)}`)
      }
    },
  }
}

/** Strings and null only, one line each, under the declared names: no object, hence no template passed as data, ever gets in. */
const checked = (needs: TemplateNeeds, variables: Variables): Values => {
  const values: Record<string, string | null> = Object.create(null)
  for (const [name, need] of Object.entries(needs)) {
    const value = variables[name] ?? null
    if (value !== null && typeof value !== 'string') throw new Error(`the variable ${name} is no text`)
    if (need === 'required' && value === null) throw new Error(`the variable ${name} is missing`)
    values[name] = value === null ? null : oneLine(value)
  }
  return values
}
