import { err, ok, type Result } from '@ashlar/kernel'
import type { StoredTemplate, TemplateReader } from '../ports.ts'
import { type PageOf, pageOf } from './list-notifications.ts'

export type ListTemplates = (page: {
  limit: number
  after: string | undefined
}) => Promise<PageOf<StoredTemplate, string>>

/** The newest version of each template, by name. */
export const listTemplates =
  ({ reader }: { reader: Pick<TemplateReader, 'list'> }): ListTemplates =>
  async ({ limit, after }) => {
    const rows = await reader.list({ limit: limit + 1, after })
    return pageOf(
      rows,
      limit,
      (row) => row,
      (row) => row.name,
    )
  }

export type GetTemplate = (input: { name: string; version?: number }) => Promise<Result<StoredTemplate, 'not_found'>>

/** One version of a template, the newest one where none is named. */
export const getTemplate =
  ({ reader }: { reader: Pick<TemplateReader, 'find'> }): GetTemplate =>
  async ({ name, version }) => {
    const template = await reader.find(name, version)
    return template ? ok(template) : err('not_found')
  }
