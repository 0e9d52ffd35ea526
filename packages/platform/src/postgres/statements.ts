/**
 * Names for prepared statements: the same SQL gets the same name on every connection, so the server parses and
 * plans it once per connection. Beyond `limit` different texts a statement stays unnamed: texts that vary with
 * their input (lists of parameters) must not fill the memory of every server process.
 */
export type StatementNames = { nameOf(sql: string): string | undefined }

export const createStatementNames = (limit = 500): StatementNames => {
  const names = new Map<string, string>()
  return {
    nameOf: (sql) => {
      const known = names.get(sql)
      if (known !== undefined) return known
      if (names.size >= limit) return undefined
      const name = `s${names.size + 1}`
      names.set(sql, name)
      return name
    },
  }
}
