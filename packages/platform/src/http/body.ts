import { isUtf8 } from 'node:buffer'
import { invalid } from './problem.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * True when arrays and objects nest deeper than `limit`. One pass over the bytes, before anything is parsed: a
 * megabyte of brackets would otherwise hold the event loop for half a second.
 */
export const nestsDeeper = (json: Uint8Array, limit: number): boolean => {
  let depth = 0
  let inString = false
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at]
    if (inString) {
      if (byte === BACKSLASH) at += 1
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1
      if (depth > limit) return true
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1
  }
  return false
}

/** Parses a request body. Throws a refusal (400) for bad UTF-8, bad JSON, too much depth and poisoned prototypes. */
export const parseJson = (bytes: Buffer, maxDepth: number): unknown => {
  if (bytes.length === 0) return undefined
  if (nestsDeeper(bytes, maxDepth)) {
    throw invalid({ pointer: '', code: 'too_deep', detail: `Arrays and objects may nest ${maxDepth} deep.` })
  }
  if (!isUtf8(bytes)) throw invalid({ pointer: '', code: 'not_utf8', detail: 'The body is not valid UTF-8.' })
  const text = bytes.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid({ pointer: '', code: 'not_json', detail: 'The body is not valid JSON.' })
  }
  // Escapes are suspicious by themselves: "\u005f_proto__" is the same name, "\u0000" and a lone "\ud800" are no text.
  if (SUSPICIOUS.test(text)) {
    const pointer = findPoison(value, '')
    if (pointer !== undefined)
      throw invalid({ pointer, code: 'name_refused', detail: 'This member name is not allowed.' })
    const unstorable = findUnstorable(value, '')
    if (unstorable !== undefined) throw invalid({ pointer: unstorable, code: 'not_text', detail: NOT_TEXT })
  }
  return value
}

const SUSPICIOUS = /__proto__|constructor|\\u(?:00|d[89a-f])/i

export const NOT_TEXT = 'This text holds a character that cannot be stored: NUL, or half of a surrogate pair.'

/** No database and no UTF-8 peer can take such a text, so it is refused at the door instead of failing behind it. */
export const isText = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

const findUnstorable = (value: unknown, pointer: string): string | undefined => {
  if (typeof value === 'string') return isText(value) ? undefined : pointer
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, member] of Object.entries(value)) {
    if (!isText(name)) return pointer
    const found = findUnstorable(member, `${pointer}/${escapePointer(name)}`)
    if (found !== undefined) return found
  }
  return undefined
}

/** The place of a member that would reach into a prototype when the value is copied: `__proto__`, `constructor.prototype`. */
const findPoison = (value: unknown, pointer: string): string | undefined => {
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, member] of Object.entries(value)) {
    const here = `${pointer}/${escapePointer(name)}`
    if (name === '__proto__') return here
    if (name === 'constructor' && typeof member === 'object' && member !== null && Object.hasOwn(member, 'prototype')) {
      return here
    }
    const found = findPoison(member, here)
    if (found !== undefined) return found
  }
  return undefined
}

/** One step of a JSON pointer (RFC 6901, section 3). */
export const escapePointer = (step: string): string => step.replaceAll('~', '~0').replaceAll('/', '~1')
