import { type Selectable, sql } from 'kysely'
import type { StoredTemplate, TemplateReader, TemplateRepository } from '../../application/ports.ts'
import type { Db, NotificationsDatabase } from './schema.ts'

type Row = Selectable<NotificationsDatabase['templates']>

const toTemplate = (row: Row): StoredTemplate => ({
  name: row.name,
  version: row.version,
  subject: row.subject,
  html: row.html,
  text: row.text,
  variables: row.variables,
  origin: row.origin,
  createdAt: row.created_at,
})

const latest = (db: Db, name: string) =>
  db.selectFrom('templates').selectAll().where('name', '=', name).orderBy('version', 'desc').limit(1)

export const createTemplateRepository = (db: Db): TemplateRepository => ({
  latestNeeds: async (name) => {
    const row = await db
      .selectFrom('templates')
      .select(['version', 'variables'])
      .where('name', '=', name)
      .orderBy('version', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row && { version: row.version, needs: row.variables }
  },
  lockLatest: async (name) => {
    // A name that has no version yet has no row to lock.
    await sql`SELECT pg_advisory_xact_lock(hashtextextended('template ' || ${name}, 0))`.execute(db)
    const row = await latest(db, name).executeTakeFirst()
    return row && toTemplate(row)
  },
  add: async ({ name, version, subject, html, text, variables, origin }) => {
    const row = await db
      .insertInto('templates')
      .values({ name, version, subject, html, text, variables, origin })
      .returningAll()
      .executeTakeFirstOrThrow()
    return toTemplate(row)
  },
  hasBuiltIn: async (name, { subject, html, text }) => {
    const row = await db
      .selectFrom('templates')
      .select('version')
      .where('name', '=', name)
      .where('origin', '=', 'built-in')
      .where('subject', '=', subject)
      .where('html', '=', html)
      .where('text', '=', text)
      .executeTakeFirst()
    return row !== undefined
  },
})

export const createTemplateReader = (db: Db): TemplateReader => ({
  find: async (name, version) => {
    const query =
      version === undefined
        ? latest(db, name)
        : db.selectFrom('templates').selectAll().where('name', '=', name).where('version', '=', version)
    const row = await query.executeTakeFirst()
    return row && toTemplate(row)
  },
  list: async ({ limit, after }) => {
    const rows = await db
      .selectFrom('templates')
      .selectAll()
      .distinctOn('name')
      .$if(after !== undefined, (query) => query.where('name', '>', after ?? ''))
      .orderBy('name')
      .orderBy('version', 'desc')
      .limit(limit)
      .execute()
    return rows.map(toTemplate)
  },
})
