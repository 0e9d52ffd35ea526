import type pg from 'pg'
import { toParameter } from './parameters.ts'
import { type Answer, readTag, type Statement } from './statement.ts'
import type { StatementNames } from './statements.ts'
import { columnTypes } from './types.ts'

type Column = { name: string; parse: (text: string) => unknown }

/** The statements that one connection has prepared, by name, with the columns of their answers. */
export type Prepared = Map<string, readonly Column[]>

/** The answers up to the first failure; `error` is the answer to the statement after them. */
export type Outcome = { answers: Answer[]; error?: unknown }

/** The messages of the extended protocol that pg writes; its types lack how it calls them. */
type Wire = {
  stream: { cork(): void; uncork(): void }
  close(what: { type: 'S'; name: string }): void
  parse(what: { name: string; text: string; types: never[] }): void
  bind(what: { portal: ''; statement: string; values: unknown[]; valueMapper: (value: unknown) => unknown }): void
  describe(what: { type: 'P'; name: '' }): void
  execute(what: { portal: ''; rows: 0 }): void
  sync(): void
  sendCopyFail(reason: string): void
}

/**
 * Sends several statements in one write and reads all their answers: one round trip. The server stops at the first one
 * that fails and skips the rest, up to the one synchronisation at their end; so what follows a BEGIN that failed is
 * never run outside of it. Without a BEGIN among them they are one transaction. Never rejects.
 */
export const exchange = (
  client: pg.ClientBase,
  statements: readonly Statement[],
  { names, prepared }: { names: StatementNames; prepared: Prepared },
): Promise<Outcome> =>
  new Promise((resolve) => {
    const named = statements.map(({ text }) => names.nameOf(text) ?? '')
    const answers: Answer[] = []
    let columns: readonly Column[] = []
    let rows: Record<string, unknown>[] = []
    let bad: { at: number; error: unknown } | undefined

    const write = (wire: Wire): void => {
      const begun = new Set<string>()
      wire.stream.cork()
      try {
        statements.forEach(({ text, values = [] }, at) => {
          const name = named[at] ?? ''
          const known = name !== '' && (prepared.has(name) || begun.has(name))
          if (!known) {
            // One that was parsed and then failed is known to the server alone; closing what is not there is no error.
            if (name !== '') wire.close({ type: 'S', name })
            wire.parse({ name, text, types: [] })
            begun.add(name)
          }
          wire.bind({ portal: '', statement: name, values: [...values], valueMapper: toParameter })
          if (!known) wire.describe({ type: 'P', name: '' })
          wire.execute({ portal: '', rows: 0 })
        })
      } catch (error) {
        // A value that cannot be sent: its statement and those behind it are not.
        bad = { at: statements.length, error }
      } finally {
        wire.sync()
        wire.stream.uncork()
      }
    }

    const complete = (tag: string): void => {
      const name = named[answers.length]
      if (name !== undefined && name !== '' && !prepared.has(name)) prepared.set(name, columns)
      answers.push({ ...readTag(tag), rows })
      rows = []
      columns = []
    }

    client.query({
      submit: (connection: unknown) => {
        write(connection as Wire)
        return null
      },
      handleRowDescription: ({ fields }: { fields: { name: string; dataTypeID: number }[] }) => {
        columns = fields.map(({ name, dataTypeID }) => ({ name, parse: columnTypes.getTypeParser(dataTypeID, 'text') }))
      },
      handleDataRow: ({ fields }: { fields: (string | null)[] }) => {
        const of = columns.length > 0 ? columns : (prepared.get(named[answers.length] ?? '') ?? columns)
        const row: Record<string, unknown> = {}
        try {
          for (let at = 0; at < of.length; at += 1) {
            const { name, parse } = of[at] as Column
            const text = fields[at] ?? null
            row[name] = text === null ? null : parse(text)
          }
        } catch (error) {
          bad ??= { at: answers.length, error }
        }
        rows.push(row)
      },
      handleCommandComplete: ({ text }: { text: string }) => complete(text),
      handleEmptyQuery: () => complete(''),
      handleCopyInResponse: (connection: Wire) => connection.sendCopyFail('there is nothing to copy'),
      handleCopyData: () => undefined,
      handleError: (error: unknown) => resolve({ answers, error }),
      handleReadyForQuery: () => resolve(bad ? { answers: answers.slice(0, bad.at), error: bad.error } : { answers }),
    } as unknown as pg.Submittable)
  })
