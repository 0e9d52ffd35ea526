import { hash } from 'node:crypto'
import { canonicalJson, type Json } from '@ashlar/kernel'
import type { Draft, PersonalField } from './entry.ts'
import { isLong, oversize } from './oversize.ts'

/** Stands in the hashed part for a value that is kept elsewhere, under the key of this person. */
export type Commitment = { $commitment: string; person: string }

/** The value and the salt that prove a commitment; kept sealed under the person's key, gone when that key is. */
export type Opening = { salt: string; value: Json }

/** Openings of one entry that belong to one person, by `part.field`. */
export type Openings = { person: string; fields: Record<string, Opening> }

/** Binds the value to its entry and place: an opening proves nothing anywhere else. */
export const commit = (entryId: string, place: string, person: string, { salt, value }: Opening): Commitment => ({
  $commitment: hash('sha256', canonicalJson([entryId, place, person, salt, value]), 'hex'),
  person,
})

export const isCommitment = (value: unknown): value is Commitment =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Commitment).$commitment === 'string' &&
  typeof (value as Commitment).person === 'string'

/** A stored value that merely looks like one of ours; marked, so that nobody can plant a commitment without an opening. */
type Literal = { $literal: Json }

const isMarked = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  ('$commitment' in value || '$literal' in value || '$oversize' in value || '$unstorable' in value)

const isLiteral = (value: unknown): value is Literal =>
  typeof value === 'object' && value !== null && '$literal' in value

const literal = <P extends Record<string, Json>>(values: P): P => {
  let marked: Record<string, Json> | undefined
  for (const field in values) {
    const value = values[field]
    if (!isMarked(value)) continue
    marked ??= { ...values }
    marked[field] = { $literal: value as Json }
  }
  return (marked ?? values) as P
}

export const placeOf = ({ part, field }: Pick<PersonalField, 'part' | 'field'>): string => `${part}.${field}`

export type ProtectOptions = {
  /** Gives 16 random bytes in base64; without a salt short values could be guessed from their hashes. */
  salt: () => string
  /** Longest JSON of one personal value; a longer one is told by its digest, which is as personal and hidden alike. */
  maxValuesBytes: number
}

/**
 * Replaces each personal value by its commitment. Null and what is empty stay as they are: there is nothing to hide,
 * and nothing to erase.
 */
export const protect = (
  draft: Draft,
  { salt, maxValuesBytes }: ProtectOptions,
): { draft: Draft; openings: readonly Openings[] } => {
  const before = draft.before && literal(draft.before)
  const after = draft.after && literal(draft.after)
  const openings: Openings[] = []
  const hidden: Partial<Record<PersonalField['part'], Record<string, Json>>> = {}
  for (const field of draft.personal) {
    const value = draft[field.part]?.[field.field as never] as Json | undefined
    if (isNothing(value)) continue
    const place = placeOf(field)
    const opening = { salt: salt(), value: isLong(value, maxValuesBytes) ? oversize(value) : value }
    hidden[field.part] ??= {}
    const part = hidden[field.part] as Record<string, Json>
    part[field.field] = commit(draft.id, place, field.person, opening)
    openingsOf(openings, field.person).fields[place] = opening
  }
  if (openings.length === 0 && before === draft.before && after === draft.after) return { draft, openings }
  return {
    draft: {
      ...draft,
      before: hidden.before ? { ...before, ...hidden.before } : before,
      after: hidden.after ? { ...after, ...hidden.after } : after,
      context: hidden.context ? ({ ...draft.context, ...hidden.context } as Draft['context']) : draft.context,
    },
    openings,
  }
}

/** An entry has one or two persons. */
const openingsOf = (openings: Openings[], person: string): Openings => {
  const known = openings.find((own) => own.person === person)
  if (known) return known
  const own: Openings = { person, fields: {} }
  openings.push(own)
  return own
}

const isNothing = (value: Json | undefined): value is null | undefined => {
  if (value === null || value === undefined || value === '') return true
  if (typeof value !== 'object') return false
  for (const _ in value) return false
  return true
}

type Protected = Pick<Draft, 'id' | 'before' | 'after' | 'context'>

/** Every place of an entry that holds a commitment, with it. */
export const commitmentsOf = (entry: Protected): Map<string, Commitment> => {
  const found = new Map<string, Commitment>()
  for (const part of ['before', 'after', 'context'] as const) {
    for (const [field, value] of Object.entries(entry[part] ?? {})) {
      if (isCommitment(value)) found.set(placeOf({ part, field }), value)
    }
  }
  return found
}

/** The opening proves this commitment at this place. */
export const proves = (
  entryId: string,
  place: string,
  { $commitment, person }: Commitment,
  opening: Opening,
): boolean => commit(entryId, place, person, opening).$commitment === $commitment

/** Puts values back where their openings are at hand, null where they are not: that person was erased. */
export const reveal = <E extends Protected>(entry: E, openings: Readonly<Record<string, Opening>>): E => {
  const part = <P extends Record<string, Json> | null>(name: PersonalField['part'], values: P): P =>
    values &&
    (Object.fromEntries(
      Object.entries(values).map(([field, value]) =>
        isCommitment(value)
          ? [field, openings[placeOf({ part: name, field })]?.value ?? null]
          : [field, isLiteral(value) ? value.$literal : value],
      ),
    ) as P)
  return {
    ...entry,
    before: part('before', entry.before),
    after: part('after', entry.after),
    context: part('context', entry.context as unknown as Record<string, Json>) as unknown as E['context'],
  }
}
