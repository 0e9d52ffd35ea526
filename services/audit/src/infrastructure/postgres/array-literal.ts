/**
 * The text form of a PostgreSQL array (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO), for columns of
 * thousands of values: the driver's own way costs as much as everything else that is done to an entry.
 */
export const arrayLiteral = (values: readonly (string | number | null)[]): string => {
  let text = '{'
  for (const value of values) {
    if (text.length > 1) text += ','
    if (value === null) text += 'NULL'
    else if (typeof value === 'number') text += value
    else text += `"${NEEDS_ESCAPE.test(value) ? value.replace(ESCAPED, '\\$&') : value}"`
  }
  return `${text}}`
}

const NEEDS_ESCAPE = /["\\]/
const ESCAPED = /["\\]/g
