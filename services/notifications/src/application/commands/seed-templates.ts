import { serviceContext } from '@ashlar/platform/context'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import type { BuiltInTemplate } from '../../domain/templates/built-in.ts'
import type { Repositories } from '../ports.ts'

type Deps = {
  runtime: Runtime
  unitOfWork: UnitOfWork<Pick<Repositories, 'templates'>>
  templates: readonly BuiltInTemplate[]
}

/**
 * Stores the templates that this release brings: as version 1, or as the next version over what an earlier release
 * brought. Somebody's own version stays the newest, and a release that comes back changes nothing.
 */
export const seedTemplates =
  ({ runtime, unitOfWork, templates }: Deps) =>
  (): Promise<void> =>
    runtime.context.run(serviceContext('notifications'), () =>
      unitOfWork(async (tx) => {
        for (const { name, variables, ...texts } of templates) {
          if (await tx.templates.hasBuiltIn(name, texts)) continue
          const latest = await tx.templates.lockLatest(name)
          if (latest?.origin === 'own' || (await tx.templates.hasBuiltIn(name, texts))) continue
          await tx.templates.add({ name, version: (latest?.version ?? 0) + 1, ...texts, variables, origin: 'built-in' })
        }
      }),
    )
