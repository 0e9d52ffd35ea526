import { z } from 'zod'
import type { RouteSpec } from '../contract/index.ts'
import { escapePointer, isText, NOT_TEXT } from './body.ts'
import { invalid, Refused } from './problem.ts'
import type { FieldError } from './types.ts'

const MAX_ERRORS = 50

/** Zod's issues as pointers into the part of the request named by `prefix`. Values never appear. */
export const toFieldErrors = (issues: readonly z.core.$ZodIssue[], data: unknown, prefix = ''): FieldError[] =>
  issues
    .flatMap((issue): FieldError[] => {
      const pointer = `${prefix}${issue.path.map((step) => `/${escapePointer(String(step))}`).join('')}`
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((name) => ({
          pointer: `${pointer}/${escapePointer(name)}`,
          code: 'unknown_field',
          detail: 'This field is not known here.',
        }))
      }
      return [
        { pointer, code: valueAt(data, issue.path) === undefined ? 'required' : issue.code, detail: issue.message },
      ]
    })
    .slice(0, MAX_ERRORS)

const valueAt = (data: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce((value: unknown, step) => (value as Record<PropertyKey, unknown> | null | undefined)?.[step], data)

/** Reads a body. A route without a body schema takes none, or an empty object. */
export const parseBody = (schema: z.ZodType | undefined, body: unknown): unknown => {
  if (!schema && body === undefined) return undefined
  const result = (schema ?? NOTHING).safeParse(body)
  if (!result.success) throw invalid(...toFieldErrors(result.error.issues, body))
  return schema ? result.data : undefined
}

const NOTHING = z.strictObject({}).optional()

export const parseQuery = (schema: z.ZodType | undefined, query: unknown): unknown => {
  if (!schema) return {}
  for (const [name, value] of Object.entries(query as object)) {
    if (![name, value].flat().every((text) => isText(String(text))))
      throw invalid({ pointer: '/query', code: 'not_text', detail: NOT_TEXT })
  }
  const result = schema.safeParse({ ...(query as object) })
  if (!result.success) throw invalid(...toFieldErrors(result.error.issues, query, '/query'))
  return result.data
}

/** An id that is not well formed names nothing: 404. */
export const parseParams = (schema: z.ZodType | undefined, params: unknown): unknown => {
  if (!schema) return params
  const result = schema.safeParse(params)
  if (!result.success || !Object.values(params as object).every((text) => isText(String(text))))
    throw new Refused('not_found')
  return result.data
}

/** The schema that a route's body is read with: unknown fields are refused, unless a third party rules the form. */
export const bodySchema = (route: RouteSpec, where: string): z.ZodType | undefined =>
  route.body && (route.unknownFields === 'ignore' ? route.body : strictBody(route.body, where))

/**
 * Makes an object schema refuse unknown fields. A nested one cannot be changed from outside, so it is refused at
 * composition: `where` says which route forgot it.
 */
export const strictBody = (schema: z.ZodType, where: string): z.ZodType => {
  const strict = schema instanceof z.ZodObject && !schema.def.catchall ? schema.strict() : schema
  assertStrict(strict, where, new Set())
  return strict
}

const assertStrict = (schema: unknown, where: string, seen: Set<unknown>): void => {
  if (seen.has(schema)) return
  seen.add(schema)
  if (schema instanceof z.ZodObject) {
    if (!schema.def.catchall) throw new Error(`The body of ${where} has a nested object that is not a z.strictObject.`)
    for (const member of Object.values(schema.shape)) assertStrict(member, where, seen)
  } else if (schema instanceof z.ZodArray) assertStrict(schema.element, where, seen)
  else if (schema instanceof z.ZodUnion) for (const option of schema.options) assertStrict(option, where, seen)
  else if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    assertStrict(schema.unwrap(), where, seen)
  } else if (schema instanceof z.ZodRecord) assertStrict(schema.valueType, where, seen)
  else if (schema instanceof z.ZodPipe) assertStrict(schema.in, where, seen)
}
