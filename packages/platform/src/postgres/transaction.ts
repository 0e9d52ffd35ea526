import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import type { Span } from '../telemetry/index.ts'
import type { PooledConnection } from './connection.ts'
import { DependencyUnavailable } from './errors.ts'
import type { StatementSpans } from './spans.ts'
import { type Answer, isCounted, type Statement, type Statements } from './statement.ts'

type Queued = {
  statement: Statement
  span?: Span
  /** Absent where nobody waits for the answer. */
  settle?: (answer: Answer) => void
  fail?: (error: unknown) => void
}

export type TransactionOptions = {
  acquire: () => Promise<PooledConnection>
  /** BEGIN and what belongs right behind it. */
  begin: readonly Statement[]
  spans?: StatementSpans
  traceparent?: string
}

const BEGIN_TRIES = 4
const COMMIT: Statement = { text: 'COMMIT' }
const ROLLBACK: Statement = { text: 'ROLLBACK' }

/**
 * One transaction. Statements gather until somebody waits for an answer and leave in one write, BEGIN with the first
 * question, so that a unit of work takes as many round trips as it has answers to wait for, and one for COMMIT.
 */
export class Transaction implements DatabaseConnection, Statements {
  readonly #options: TransactionOptions
  #connection: PooledConnection | undefined
  #queue: Queued[]
  #flight: Promise<void> | undefined
  #isCalled = false
  #begun = false
  #ended = false
  /** The error of a statement that nobody waited for. */
  #unheard: unknown
  #tellLost: ((error: unknown) => void) | undefined

  constructor(options: TransactionOptions) {
    this.#options = options
    this.#queue = options.begin.map((statement) => ({ statement }))
  }

  async ask<Row>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    return (await this.#ask({ text, values })).rows as Row[]
  }

  later(text: string, values?: readonly unknown[]): void {
    this.#assertOpen()
    this.#queue.push({ statement: { text, values }, span: this.#span(text) })
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { command, count, rows } = await this.#ask({ text: query.sql, values: query.parameters })
    return { rows: rows as R[], ...(isCounted(command) && { numAffectedRows: BigInt(count) }) }
  }

  // biome-ignore lint/correctness/useYield: streaming is not offered, and the type asks for a generator
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('streaming is not offered: read page by page')
  }

  /** What `work` answers, or DependencyUnavailable as soon as the connection is gone, whatever `work` still waits for. */
  unlessLost<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#tellLost = reject
      work().then(resolve, reject)
    })
  }

  /** Sends `last` and COMMIT with whatever was put off. A transaction without any statement is none, and sends nothing. */
  async commit(last: readonly Statement[]): Promise<void> {
    while (this.#flight) await this.#flight
    for (const { text, values } of last) this.later(text, values)
    const nothing = !this.#begun && this.#queue.length === this.#options.begin.length
    this.#ended = true
    if (nothing) return
    // BEGIN never goes together with COMMIT: a stale connection is found out by it, before anything can be in doubt.
    if (!this.#begun) await this.#send(this.#takeQueue())
    if (this.#unheard !== undefined) throw this.#unheard
    const { answers, error } = await this.#deliver([...this.#takeQueue(), { statement: COMMIT }])
    if (error !== undefined) throw error
    this.#begun = false
    // PostgreSQL answers COMMIT with ROLLBACK when a statement had failed and its error was swallowed.
    if (answers.at(-1)?.command !== 'COMMIT') {
      throw this.#unheard ?? new Error('the transaction was rolled back: an error inside it was swallowed')
    }
  }

  async rollback(): Promise<void> {
    this.#ended = true
    this.#tellLost = undefined
    while (this.#flight) await this.#flight
    for (const { fail } of this.#takeQueue()) fail?.(ended())
    if (!this.#begun || !this.#connection) return
    const { error } = await this.#connection.send([ROLLBACK])
    if (error !== undefined) this.#connection.discard()
  }

  release(): void {
    this.#connection?.release()
  }

  #ask(statement: Statement): Promise<Answer> {
    this.#assertOpen()
    return new Promise((settle, fail) => {
      this.#queue.push({ statement, span: this.#span(statement.text), settle, fail })
      this.#call()
    })
  }

  /** Lets the queue leave once the code that runs now has come to rest: questions asked in parallel go together. */
  #call(): void {
    if (this.#isCalled || this.#flight) return
    this.#isCalled = true
    queueMicrotask(() => {
      this.#isCalled = false
      if (!this.#flight && this.#queue.some(({ settle }) => settle)) this.#fly()
    })
  }

  #fly(): void {
    this.#flight = this.#send(this.#takeQueue()).then(() => {
      this.#flight = undefined
      if (this.#queue.some(({ settle }) => settle)) this.#fly()
    })
  }

  async #send(queued: readonly Queued[]): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const { answers, error } = await this.#attempt(queued)
      const stale = !this.#begun && answers.length === 0 && error instanceof DependencyUnavailable
      // It idled through a restart of the server. Nothing was done and nobody was answered: another one is taken.
      if (stale && this.#connection && tries < BEGIN_TRIES) {
        this.#connection.discard()
        this.#connection.release()
        this.#connection = undefined
        continue
      }
      this.#begun ||= answers.length > 0
      this.#connection?.whenLost(this.#tellLost)
      settleAll(queued, answers, error)
      if (error !== undefined && !queued.slice(answers.length).some(({ fail }) => fail)) this.#unheard ??= error
      return
    }
  }

  async #attempt(queued: readonly Queued[]): Promise<{ answers: Answer[]; error?: unknown }> {
    try {
      this.#connection ??= await this.#options.acquire()
      return await this.#connection.send(queued.map(({ statement }) => statement))
    } catch (error) {
      return { answers: [], error }
    }
  }

  async #deliver(queued: readonly Queued[]): Promise<{ answers: Answer[]; error?: unknown }> {
    const outcome = await this.#attempt(queued)
    settleAll(queued, outcome.answers, outcome.error)
    return outcome
  }

  #takeQueue(): Queued[] {
    const taken = this.#queue
    this.#queue = []
    return taken
  }

  #span(text: string): Span | undefined {
    return this.#options.spans?.statement(text, this.#options.traceparent)
  }

  #assertOpen(): void {
    if (this.#ended) throw ended()
  }
}

const ended = (): Error => new Error('the transaction of this query has ended: a promise was not awaited')

const settleAll = (queued: readonly Queued[], answers: readonly Answer[], error: unknown): void => {
  queued.forEach(({ span, settle, fail }, at) => {
    const answer = answers[at]
    span?.end(answer ? undefined : error)
    if (answer) settle?.(answer)
    else fail?.(error)
  })
}
