import { hash } from 'node:crypto'

/**
 * Text in a form that every store holds: NUL and lone surrogates become their visible escape `\u0000`, `\uD800`.
 * A change with such a text must not stop the trail.
 */
export const storable = (text: string): string => {
  const whole = text.includes('\0') ? text.replaceAll('\0', '\\u0000') : text
  return whole.isWellFormed()
    ? whole
    : whole.replace(
        /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g,
        (lone) => `\\u${lone.charCodeAt(0).toString(16).toUpperCase()}`,
      )
}

const INDEXED_CHARACTERS = 512

/** The same, short enough for an index: a longer text keeps its beginning and is told apart by its SHA-256. */
export const indexable = (text: string): string => {
  const whole = storable(text)
  return whole.length <= INDEXED_CHARACTERS
    ? whole
    : `${storable(whole.slice(0, INDEXED_CHARACTERS - 72))}…sha256:${hash('sha256', whole, 'hex')}`
}
