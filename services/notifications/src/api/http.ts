import { err, ok } from '@ashlar/kernel'
import { answer, type Handlers, type HttpResponse, ifMatch, type Refusal } from '@ashlar/platform/http'
import type { PlatformTx, UnitOfWork } from '@ashlar/platform/postgres'
import type { SaveTemplate } from '../application/commands/save-template.ts'
import type { SendMail } from '../application/commands/send-mail.ts'
import type { SuppressAddress } from '../application/commands/suppress-address.ts'
import type { Position, Repositories, StoredTemplate } from '../application/ports.ts'
import type { CountNotifications } from '../application/queries/count-notifications.ts'
import type { GetNotification } from '../application/queries/get-notification.ts'
import type { ListNotifications, PageOf } from '../application/queries/list-notifications.ts'
import type { ListSuppressions } from '../application/queries/list-suppressions.ts'
import type { GetTemplate, ListTemplates } from '../application/queries/read-templates.ts'
import type { notificationsRoutes } from '../contract.ts'
import { dateOf, notificationToWire, statisticsToWire, stepToWire, suppressionToWire, templateToWire } from './wire.ts'

export type HttpDeps = {
  unitOfWork: UnitOfWork<Repositories & PlatformTx>
  /** Makes the use case for a unit of work that also holds the request's idempotency key. */
  sendMail: (unitOfWork: UnitOfWork<Repositories>) => SendMail
  listNotifications: ListNotifications
  getNotification: GetNotification
  countNotifications: CountNotifications
  suppressAddress: SuppressAddress
  unsuppressAddress: (input: { address: string }) => Promise<void>
  listSuppressions: ListSuppressions
  listTemplates: ListTemplates
  getTemplate: GetTemplate
  saveTemplate: SaveTemplate
}

export const notificationsHandlers = (deps: HttpDeps): Handlers<typeof notificationsRoutes> => ({
  send: ({ body, idempotency }) =>
    idempotency.inTransaction(
      deps.unitOfWork,
      async (uow) => {
        const result = await deps.sendMail(uow)(body)
        return result.ok ? result : err(invalid(result.error))
      },
      (queued) => ({ status: 202, headers: { location: `/notifications/${queued.id}` }, body: queued }),
    ),

  listNotifications: async ({ query, caller, cursors }) => {
    const { limit, cursor, from, to, ...same } = query
    const bound = { list: 'notifications', user: caller.userId, from, to, ...same }
    const after = cursor === undefined ? ok(undefined) : cursors.decode<Position>(bound, cursor)
    if (!after.ok) return after
    const filter = { ...same, from: dateOf(from), to: dateOf(to) }
    const found = await deps.listNotifications({ requester: caller, filter, page: { limit, after: after.value } })
    return ok(paged(found, notificationToWire, (position) => cursors.encode(bound, position)))
  },

  getNotification: async ({ params, caller }) =>
    answer(await deps.getNotification({ requester: caller, id: params.id }), ({ timeline, ...message }) => ({
      status: 200,
      body: { ...notificationToWire(message), timeline: timeline.map(stepToWire) },
    })),

  stats: async ({ query }) => {
    const result = await deps.countNotifications({ from: dateOf(query.from), to: dateOf(query.to) })
    return result.ok ? ok({ status: 200, body: statisticsToWire(result.value) }) : err(RANGE_REFUSED)
  },

  listSuppressions: async ({ query: { limit, cursor, address }, cursors }) => {
    const bound = { list: 'suppressions', address }
    const after = cursor === undefined ? ok(undefined) : cursors.decode<Position>(bound, cursor)
    if (!after.ok) return after
    const found = await deps.listSuppressions({ address, page: { limit, after: after.value } })
    return ok(paged(found, suppressionToWire, (position) => cursors.encode(bound, position)))
  },

  suppress: async ({ body: { address, reason = null } }) => {
    const result = await deps.suppressAddress({ address, reason })
    return result.ok ? ok({ status: 201, body: suppressionToWire(result.value) }) : err(invalid([ADDRESS_FLAW]))
  },

  unsuppress: async ({ query }) => {
    await deps.unsuppressAddress({ address: query.address })
    return ok({ status: 204 })
  },

  listTemplates: async ({ query: { limit, cursor }, cursors }) => {
    const bound = { list: 'templates' }
    const after = cursor === undefined ? ok(undefined) : cursors.decode<string>(bound, cursor)
    if (!after.ok) return after
    const found = await deps.listTemplates({ limit, after: after.value })
    return ok(paged(found, templateToWire, (position) => cursors.encode(bound, position)))
  },

  getTemplate: async ({ params, query }) => answer(await deps.getTemplate({ ...params, ...query }), template),

  saveTemplate: async ({ params, body, headers }) => {
    const mayReplace = (version: number | undefined): boolean =>
      version === undefined ? headers['if-match'] === undefined : ifMatch(headers, etagOf(version))
    const result = await deps.saveTemplate({ name: params.name, texts: body, mayReplace })
    if (result.ok) return ok(template(result.value))
    if (result.error === 'precondition_failed') return err(result.error)
    const { flaws } = result.error
    return err(invalid(flaws.map(({ field, detail }) => ({ pointer: `/${field}`, code: 'template_invalid', detail }))))
  },
})

const etagOf = (version: number): string => `"v${version}"`

const template = (stored: StoredTemplate): HttpResponse => ({
  status: 200,
  headers: { etag: etagOf(stored.version) },
  body: templateToWire(stored),
})

const paged = <Item, At>(
  { items, next }: PageOf<Item, At>,
  toItem: (item: Item) => unknown,
  encode: (position: At) => string,
): HttpResponse => {
  const nextCursor = next === undefined ? null : encode(next)
  return { status: 200, body: { data: items.map(toItem), page: { nextCursor, hasMore: nextCursor !== null } } }
}

type Invalid = Exclude<Refusal<'validation_failed'>, string>

const invalid = (errors: NonNullable<Invalid['errors']>): Invalid => ({ code: 'validation_failed', errors })

const ADDRESS_FLAW = { pointer: '/address', code: 'not_an_address', detail: 'must be exactly one e-mail address' }

const RANGE_REFUSED = invalid([
  {
    pointer: '/query/from',
    code: 'range',
    detail: 'must be before to, and not further before it than the statistics go',
  },
])
