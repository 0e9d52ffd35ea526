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
  if (SUSPICIOUS.test(text)) {
    const pointer = findPoison(value, '')
    if (pointer !== undefined)
      throw invalid({ pointer, code: 'name_refused', detail: 'This member name is not allowed.' })
  }
  return value
}

// Escapes are suspicious by themselves: "\u005f_proto__" is the same name.
const SUSPICIOUS = /__proto__|constructor|\\u00/i

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
