import type { Json } from '@ashlar/kernel'
import { isCommitment } from './commitment.ts'
import { type Draft, textsOf, type WrittenDraft } from './entry.ts'
import { fit, holdsLongText, isLongText, unstorable } from './oversize.ts'
import { storable } from './storable.ts'

/**
 * The canonical texts of a draft, made once for the hash and for the store. `before` and `after` have at most
 * `maxValuesBytes` each: the longest values of a larger one are replaced by their digests.
 */
export const written = (draft: Draft, maxValuesBytes: number, write: typeof textsOf = textsOf): WrittenDraft => {
  const shortened = (values: Draft['before']) => values && fit(values, maxValuesBytes, draft.keys)
  const early = (values: Draft['before']) =>
    values && holdsLongText(values, maxValuesBytes) ? shortened(values) : values
  const [before, after] = [early(draft.before), early(draft.after)]
  const whole = before === draft.before && after === draft.after ? draft : { ...draft, before, after }
  const texts = write(whole)
  const [longBefore, longAfter] = [isLongText(texts.before, maxValuesBytes), isLongText(texts.after, maxValuesBytes)]
  if (!longBefore && !longAfter) return { draft: whole, texts }
  const fitted = {
    ...whole,
    before: longBefore ? shortened(whole.before) : whole.before,
    after: longAfter ? shortened(whole.after) : whole.after,
  }
  return { draft: fitted, texts: write(fitted) }
}

/**
 * What can be stored of a draft that the store refuses, whatever the reason: who, when, which row and which fields in
 * plain text, and of the values their digests. Taken after personal values were hidden; those are told by nothing.
 */
export const reduced = (draft: Draft): Draft => {
  const digests = (values: Draft['before']) =>
    values && Object.fromEntries(Object.entries(values).map(([field, value]) => [storable(field), plain(value)]))
  const { requestId, traceId, reason } = draft.context
  return {
    ...draft,
    before: digests(draft.before),
    after: digests(draft.after),
    changed: draft.changed.map(storable),
    actor: { type: storable(draft.actor.type), id: storable(draft.actor.id) },
    context: {
      requestId: requestId && storable(requestId),
      traceId: traceId && storable(traceId),
      ip: null,
      userAgent: null,
      reason: reason && storable(reason),
    },
    source: {
      ...draft.source,
      table: draft.source.table && storable(draft.source.table),
      commitTime: storable(draft.source.commitTime),
    },
    personal: [],
  }
}

/** Short plain texts and numbers every store holds. */
const plain = (value: Json): Json => {
  if (isCommitment(value)) return null
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value
  return typeof value === 'string' && value.length <= 64 && storable(value) === value ? value : unstorable(value)
}
