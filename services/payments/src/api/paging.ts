import { ok, type Result } from '@ashlar/kernel'
import type { Cursors, HttpResponse } from '@ashlar/platform/http'
import type { Position } from '../application/ports.ts'
import type { PageOf } from '../application/queries/list-payments.ts'

/** A position as it travels inside a cursor. */
type Cut = { createdAt: string; id: string }

export const positionOf = (
  cursors: Cursors,
  bound: unknown,
  cursor: string | undefined,
): Result<Position | undefined, 'cursor_invalid'> => {
  if (cursor === undefined) return ok(undefined)
  const cut = cursors.decode<Cut>(bound, cursor)
  return cut.ok ? ok({ createdAt: new Date(cut.value.createdAt), id: cut.value.id }) : cut
}

export const pageResponse = <Item>(
  { items, next }: PageOf<Item>,
  toItem: (item: Item) => unknown,
  encode: (position: Cut) => string,
): HttpResponse => {
  const nextCursor = next ? encode({ createdAt: next.createdAt.toISOString(), id: next.id }) : null
  return { status: 200, body: { data: items.map(toItem), page: { nextCursor, hasMore: nextCursor !== null } } }
}
