import { z } from 'zod'

/** An id as it travels: the canonical lower-case form of a UUID. */
export const uuid = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'must be a UUID in lower case')
  .meta({ format: 'uuid' })

/** An instant as it travels: RFC 3339 in UTC with `Z`. */
export const timestamp = z.iso.datetime({ offset: false, error: 'must be an RFC 3339 time in UTC with Z' })

/** A bound in a query. Nothing here is older than 1900, and of a year 0 every store makes something else. */
export const timeBound = timestamp.refine((text) => text >= '1900', 'must not be before 1900')

/** One place in a request that was refused: a JSON pointer (RFC 6901), a short code and a sentence. */
export const fieldError = z.object({ pointer: z.string(), code: z.string(), detail: z.string() })

/** The body of every error (RFC 9457, with Ashlar's members). */
export const problem = z.object({
  type: z.string().describe('`urn:ashlar:problem:` and the code'),
  title: z.string(),
  status: z.int().min(400).max(599),
  detail: z.string(),
  instance: z.string().describe('The path of the request'),
  code: z.string(),
  requestId: z.string(),
  traceId: z.string(),
  errors: z.array(fieldError).optional(),
})

/** The query of a list: `limit` (1–100, default 20) and `cursor`, and the filters in `extra`. */
export const pageQuery = <Extra extends z.core.$ZodLooseShape = Record<never, never>>(extra?: Extra) =>
  z.object({
    limit: z.coerce.number().int().min(1).max(100).default(20),
    cursor: z.string().min(1).max(2048).optional(),
    ...(extra ?? ({} as Extra)),
  })

/** The answer of a list. `nextCursor` is null on the last page. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    data: z.array(item),
    page: z.object({ nextCursor: z.string().nullable(), hasMore: z.boolean() }),
  })
