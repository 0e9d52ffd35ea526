import { err, ok, type Result } from '@ashlar/kernel'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { TemplateTexts } from '../../domain/template.ts'
import { builtIn } from '../../domain/templates/built-in.ts'
import type { Repositories, StoredTemplate, TemplateChecker, TemplateFlaw } from '../ports.ts'

export type SaveTemplate = (input: {
  name: string
  texts: TemplateTexts
  /** Whether the write may go on over that newest version; undefined: over none. */
  mayReplace: (version: number | undefined) => boolean
}) => Promise<Result<StoredTemplate, { flaws: TemplateFlaw[] } | 'precondition_failed'>>

type Deps = { unitOfWork: UnitOfWork<Pick<Repositories, 'templates'>>; checker: TemplateChecker }

/**
 * Makes the next version of a template. Texts are compiled and rendered once before they are stored, so that what is
 * stored can be sent. A name that events fill keeps the variables which those events have.
 */
export const saveTemplate =
  ({ unitOfWork, checker }: Deps): SaveTemplate =>
  async ({ name, texts, mayReplace }) => {
    const checked = checker.check(texts, builtIn(name)?.variables)
    if ('flaws' in checked) return err(checked)
    return unitOfWork(async (tx): ReturnType<SaveTemplate> => {
      const latest = await tx.templates.lockLatest(name)
      if (!mayReplace(latest?.version)) return err('precondition_failed')
      const version = (latest?.version ?? 0) + 1
      return ok(await tx.templates.add({ name, version, ...texts, variables: checked.needs, origin: 'own' }))
    })
  }
