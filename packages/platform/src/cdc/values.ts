import type { Json } from '@ashlar/kernel'
import pg from 'pg'
import { readJson } from './json.ts'

/**
 * The canonical form of column values, by type. Whatever captured the change, the same value is the same JSON:
 *
 * - boolean → true/false; int2, int4 → number; int8, numeric → string with the digits that were stored
 * - float4, float8 → number, or the string NaN, Infinity, -Infinity
 * - timestamptz → RFC 3339 in UTC with six digits and Z; timestamp → the same without Z; infinity stays a word
 * - json, jsonb → the value itself; numbers beyond a double as `{"$number":"…"}`; as `{"$json":"…"}` its text where
 *   it is longer than 1 MiB of characters or nests deeper than 200
 * - arrays → arrays of the element's form; uuid, text, date, time, bytea (`\x` and hex) and all others → text
 */
export type Canonical = (text: string) => Json

const timestamp =
  (zone: 'Z' | ''): Canonical =>
  (text) => {
    const match = /^(\d{4,})-(\d\d)-(\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00(?::00)?)?( BC)?$/.exec(text)
    if (!match) return text
    const [, year, month, day, time, fraction = '', era] = match
    return `${era ? '-' : ''}${year}-${month}-${day}T${time}.${fraction.padEnd(6, '0')}${zone}`
  }

const float: Canonical = (text) => {
  const value = Number(text)
  // Minus zero has no form of its own in JSON.
  return Number.isFinite(value) && !Object.is(value, -0) ? value : text
}

const scalars: Record<number, Canonical> = {
  16: (text) => text === 't',
  21: Number,
  23: Number,
  26: Number,
  700: float,
  701: float,
  114: readJson,
  3802: readJson,
  1114: timestamp(''),
  1184: timestamp('Z'),
}

/** Array type → type of its elements; elements of other types keep their text. */
const elements: Record<number, number> = {
  1000: 16,
  1005: 21,
  1007: 23,
  1016: 20,
  1021: 700,
  1022: 701,
  199: 114,
  3807: 3802,
  1115: 1114,
  1185: 1184,
  1009: 25,
  1015: 1043,
  1014: 1042,
  1182: 1082,
  1231: 1700,
  2951: 2950,
  1001: 17,
}

const TEXT_ARRAY = 1009

const text: Canonical = (value) => value

/** The form of one type by its number in `pg_type`. Needs the session settings of `CANONICAL_SESSION`. */
export const canonicalFor = (typeOid: number): Canonical => {
  const scalar = scalars[typeOid]
  if (scalar) return scalar
  const element = elements[typeOid]
  if (element === undefined) return text
  const one = scalars[element] ?? text
  const split = (pg.types.getTypeParser as (oid: number) => (value: string) => unknown[])(TEXT_ARRAY)
  const each = (item: unknown): Json =>
    item === null ? null : Array.isArray(item) ? item.map(each) : one(item as string)
  return (value) => split(value).map(each)
}

/** Settings under which the server prints values the way `canonicalFor` reads them. */
export const CANONICAL_SESSION =
  '-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=iso_8601 -c extra_float_digits=1 -c bytea_output=hex'
