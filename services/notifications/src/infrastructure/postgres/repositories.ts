import type { Repositories } from '../../application/ports.ts'
import { createContactRepository, createContentRepository, createErasureRepository } from './contents.ts'
import { createMailboxRepository } from './mailbox.ts'
import { createNotificationRepository } from './notifications.ts'
import type { Db } from './schema.ts'
import { createSuppressionRepository } from './suppressions.ts'
import { createTemplateRepository } from './templates.ts'

/** Everything that one transaction may write. */
export const createRepositories = (db: Db): Repositories => ({
  notifications: createNotificationRepository(db),
  contents: createContentRepository(db),
  contacts: createContactRepository(db),
  templates: createTemplateRepository(db),
  suppressions: createSuppressionRepository(db),
  erasure: createErasureRepository(db),
  mailbox: createMailboxRepository(db),
})
