import pg from 'pg'

type Parser = (text: string) => unknown

const asBigint: Parser = (text) => BigInt(text)
const asText: Parser = (text) => text
const INT8_ARRAY = 1016

/**
 * int8 → bigint (a number loses digits above 2^53), numeric → string, timestamptz → Date, jsonb → its value, bytea → Buffer.
 * `date` and `timestamp` without zone stay text: as a Date they would shift by this machine's zone.
 * Given to each connection; the driver's own registry, which all of the process shares, is left alone.
 */
export const columnTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format === 'binary') return pg.types.getTypeParser(oid, 'binary')
    switch (oid as number) {
      case pg.types.builtins.INT8:
        return asBigint
      case pg.types.builtins.DATE:
      case pg.types.builtins.TIMESTAMP:
      case pg.types.builtins.INTERVAL:
        return asText
      case INT8_ARRAY:
        return asBigintArray
      default:
        return pg.types.getTypeParser(oid, 'text')
    }
  }) as typeof pg.types.getTypeParser,
}

const asBigintArray: Parser = (text) => {
  const digits: (string | null)[] = pg.types.getTypeParser(INT8_ARRAY as number, 'text')(text)
  return digits.map(toBigintOrNull)
}

const toBigintOrNull = (text: string | null): bigint | null => (text === null ? null : BigInt(text))
