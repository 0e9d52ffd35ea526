import { Readable } from 'node:stream'
import { err, isUuid, type NewId, ok, type Result } from '@ashlar/kernel'
import type { ContextStore } from '@ashlar/platform/context'
import type { Cursors, Handlers, HttpResponse } from '@ashlar/platform/http'
import type { AuditStore, EntryPage, PlaceInList } from '../application/ports.ts'
import type { ExportEntries } from '../application/queries/export-entries.ts'
import type { EntriesRead, ReadEntries } from '../application/queries/read-entries.ts'
import type { VerifyResult } from '../application/queries/verify-trail.ts'
import type { auditRoutes } from '../contract.ts'
import { contextOf } from '../domain/change-entry.ts'
import { checkpointLine, type Signer } from '../domain/checkpoint.ts'
import { exportEntry } from '../domain/export-event.ts'
import { exportFormats, exportText } from './export-formats.ts'

export type HttpDeps = {
  readEntries: ReadEntries
  exportEntries: ExportEntries
  verify: () => Promise<VerifyResult>
  store: Pick<AuditStore, 'latestCheckpoints'>
  signer: Signer
  context: Pick<ContextStore, 'current'>
  newId: NewId
  now: () => Date
}

/** Entities whose ids are UUIDs; roles and templates go by name, and a trail may hold entities of anybody's own. */
const BY_UUID: readonly string[] = ['user', 'session', 'payment', 'refund', 'notification']

export const auditHandlers = (deps: HttpDeps): Handlers<typeof auditRoutes> => {
  const { readEntries, verify, store, signer } = deps
  const page = async (
    { filter, order, limit }: Omit<EntryPage, 'after'>,
    cursors: Cursors,
    cursor: string | undefined,
  ): Promise<Result<HttpResponse, 'cursor_invalid'>> => {
    const bound = { order, ...filter }
    const after = cursor === undefined ? ok(undefined) : cursors.decode<PlaceInList>(bound, cursor)
    if (!after.ok) return after
    return ok(listed(await readEntries({ filter, order, limit, after: after.value }), cursors, bound))
  }

  return {
    listEntries: ({ query: { limit, cursor, ...filter }, cursors }) =>
      page({ filter, order: 'newest', limit }, cursors, cursor),

    entityTimeline: async ({ params, query: { limit, cursor }, caller, cursors }) => {
      if (BY_UUID.includes(params.entity) && !isUuid(params.id)) return err('not_found')
      const own = params.entity === 'user' && params.id === caller.userId
      // The same answer as for an entity that nobody has heard of.
      if (!own && !caller.permissions.includes('audit:read')) return err('not_found')
      return page({ filter: { entity: params.entity, entityId: params.id }, order: 'oldest', limit }, cursors, cursor)
    },

    latestCheckpoints: async () => {
      const { publicKey, fingerprint } = signer
      return ok({
        status: 200,
        body: { data: (await store.latestCheckpoints()).map(checkpointLine), publicKey, fingerprint },
      })
    },

    exportEntries: async ({ body: { format, ...filter }, caller, ip, userAgent }) => {
      const { requestId, traceparent } = deps.context.current()
      const context = contextOf({ requestId, traceparent, ip, userAgent })
      const told = exportEntry({ id: deps.newId(), userId: caller.userId, format, filter, at: deps.now(), context })
      const exported = await deps.exportEntries({ filter, told: { ...told, traceparent } })
      if (!exported.ok) return exported
      const { contentType, fileName } = exportFormats[format]
      const body = Readable.from(exportText(exportFormats[format], exported.value.pages), { objectMode: false })
      // Also when nothing of it was ever read.
      body.once('close', exported.value.release)
      const headers = { 'content-type': contentType, 'content-disposition': `attachment; filename="${fileName}"` }
      return ok({ status: 200, body, headers: { ...headers, 'cache-control': 'no-store' } })
    },

    verifyTrail: async () => ok({ status: 200, body: await verify() }),
  }
}

const listed = ({ entries, next }: EntriesRead, cursors: Cursors, bound: unknown): HttpResponse => {
  const nextCursor = next ? cursors.encode(bound, next) : null
  return { status: 200, body: { data: entries, page: { nextCursor, hasMore: nextCursor !== null } } }
}
