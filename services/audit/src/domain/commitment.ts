import { hash } from 'node:crypto'
import { canonicalJson, type Json } from '@ashlar/kernel'
import type { Draft, PersonalField } from './entry.ts'

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
  typeof value === 'object' && value !== null && ('$commitment' in value || '$literal' in value)

const isLiteral = (value: unknown): value is Literal =>
  typeof value === 'object' && value !== null && '$literal' in value

const literal = <P extends Record<string, Json> | null>(values: P): P =>
  values && Object.values(values).some(isMarked)
    ? (Object.fromEntries(
        Object.entries(values).map(([field, value]) => [field, isMarked(value) ? { $literal: value } : value]),
      ) as P)
    : values

export const placeOf = ({ part, field }: Pick<PersonalField, 'part' | 'field'>): string => `${part}.${field}`

/**
 * Replaces each personal value by its commitment. Null stays null: there is nothing to hide, and nothing to erase.
 * `salt` gives 16 random bytes in base64; without it short values could be guessed from their hashes.
 */
export const protect = (draft: Draft, salt: () => string): { draft: Draft; openings: Openings[] } => {
  const parts: Record<PersonalField['part'], Record<string, Json> | null> = {
    before: draft.before && { ...literal(draft.before) },
    after: draft.after && { ...literal(draft.after) },
    context: { ...draft.context },
  }
  const openings = new Map<string, Openings>()
  for (const personal of draft.personal) {
    const part = parts[personal.part]
    const value = draft[personal.part]?.[personal.field as never] as Json | undefined
    if (!part || value === null || value === undefined) continue
    const opening = { salt: salt(), value }
    part[personal.field] = commit(draft.id, placeOf(personal), personal.person, opening)
    const own = openings.get(personal.person) ?? { person: personal.person, fields: {} }
    own.fields[placeOf(personal)] = opening
    openings.set(personal.person, own)
  }
  return {
    draft: { ...draft, before: parts.before, after: parts.after, context: parts.context as Draft['context'] },
    openings: [...openings.values()],
  }
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
