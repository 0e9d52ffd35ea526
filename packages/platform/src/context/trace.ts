import { randomUUID } from 'node:crypto'

/** A W3C trace context header (version 00): trace id, id of the calling span, flags. */
export type Trace = { traceId: string; spanId: string; sampled: boolean }

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/**
 * Undefined for what the recommendation calls invalid (https://www.w3.org/TR/trace-context/, section 3.2):
 * upper case, version ff, ids of zeros only, a tail in version 00.
 */
export const parseTraceparent = (text: string): Trace | undefined => {
  const [, version, traceId, spanId, flags, tail] = (text.length > 512 ? null : FORM.exec(text)) ?? []
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined
  if (version === 'ff' || (version === '00' && tail !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

const write = ({ traceId, spanId, sampled }: Trace): string => `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`

// Node keeps a stock of random UUIDs: cut from one, an id costs a tenth of asking the generator for its bytes. The
// pieces leave out version and variant where they can; those in a trace id keep it from being all zeros.
const newTraceId = (): string => {
  const uuid = randomUUID()
  return uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(14, 18) + uuid.slice(19, 23) + uuid.slice(24)
}
const newSpanId = (): string => {
  const uuid = randomUUID()
  return uuid.slice(0, 8) + uuid.slice(24, 32)
}

/** The first span of a trace of its own. */
export const newTraceparent = (sampled = true): string => write({ traceId: newTraceId(), spanId: newSpanId(), sampled })

/** A new span of the same trace; of a new trace when the parent is not well formed. */
export const childTraceparent = (parent: string): string => {
  const trace = parseTraceparent(parent)
  return trace ? write({ ...trace, spanId: newSpanId() }) : newTraceparent()
}

/** The 32 hex digits that all spans of a trace share; empty when the header is not well formed. */
export const traceIdOf = (traceparent: string): string => parseTraceparent(traceparent)?.traceId ?? ''
