/** SQL with its parameters. Sent by the name of its text, so the server parses and plans it once per connection. */
export type Statement = { readonly text: string; readonly values?: readonly unknown[] }

/** What the server answered to one statement. `count` is 0 where the command counts no rows. */
export type Answer = { command: string; count: number; rows: Record<string, unknown>[] }

/** Plain SQL within a transaction, for statements that are worth saving a round trip. */
export type Statements = {
  /** Sent with everything that was put off before, in one write. */
  ask<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /**
   * Goes with the next question or with COMMIT, and costs no round trip. What its rows would be is not told; where it
   * fails, what it went with fails, and the transaction with it.
   */
  later(text: string, values?: readonly unknown[]): void
}

const COUNTED = /^(?:INSERT|UPDATE|DELETE|MERGE)\b/

/** Reads a command tag: `INSERT 0 5`, `UPDATE 2`, `COMMIT`. */
export const readTag = (tag: string): Pick<Answer, 'command' | 'count'> => {
  if (!COUNTED.test(tag)) return { command: tag.startsWith('SELECT') ? 'SELECT' : tag, count: 0 }
  return { command: tag.slice(0, tag.indexOf(' ')), count: Number(tag.slice(tag.lastIndexOf(' ') + 1)) }
}

/** Whether its answer tells how many rows it changed. */
export const isCounted = (command: string): boolean => COUNTED.test(command)
