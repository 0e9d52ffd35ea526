import type { Runtime, ServiceName } from '../runtime/index.ts'
import { inSpan, type Span } from '../telemetry/index.ts'

/** The spans of one database's statements; of work outside any context there are none. */
export type StatementSpans = {
  /** `parent` is the transaction's span; without it the statement is a child of what runs now. */
  statement(text: string, parent: string | undefined): Span | undefined
  /** Around one transaction, from the wait for a connection to the answer to COMMIT. */
  transaction<T>(work: (traceparent: string | undefined) => Promise<T>): Promise<T>
}

const LONGEST_TEXT = 2_000

/** Undefined where spans are not recorded, so that a statement costs nothing more. */
export const createStatementSpans = (
  { tracing, context }: Runtime,
  service: ServiceName,
  url: string,
): StatementSpans | undefined => {
  if (!tracing.on) return undefined
  const database = URL.canParse(url) ? decodeURIComponent(new URL(url).pathname.slice(1)) : 'postgres'
  const common = { 'db.system.name': 'postgresql', 'db.namespace': database, 'ashlar.service': service }

  return {
    statement: (text, parent) => {
      const from = parent ?? context.find()?.traceparent
      if (from === undefined) return undefined
      const operation = /^[\s(]*([a-z]+)/i.exec(text)?.[1]?.toUpperCase() ?? 'SQL'
      return tracing.start(`${operation} ${database}`, {
        kind: 'client',
        parent: from,
        attributes: { ...common, 'db.operation.name': operation, 'db.query.text': withoutValues(text) },
      })
    },
    transaction: async (work) => {
      const from = context.find()?.traceparent
      if (from === undefined) return work(undefined)
      const attributes = { ...common, 'db.operation.name': 'TRANSACTION' }
      return inSpan(tracing, `TRANSACTION ${database}`, { kind: 'client', parent: from, attributes }, work)
    },
  }
}

/** Parameters are not in the text; literals that somebody wrote into it leave it here. */
const withoutValues = (text: string): string =>
  text
    .replace(/'(?:[^']|'')*'/g, "'?'")
    .replace(/\s+/g, ' ')
    .slice(0, LONGEST_TEXT)
