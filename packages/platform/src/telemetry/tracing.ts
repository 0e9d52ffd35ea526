import { childTraceparent, newTraceparent } from '../context/index.ts'

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

export type SpanKind = 'server' | 'internal' | 'client' | 'producer' | 'consumer'

export type Span = {
  /** W3C header that names this span as the parent of what it calls. */
  readonly traceparent: string
  set(attributes: Attributes): void
  /** For a span whose name is known only after it began, as that of a route. */
  rename(name: string): void
  /** With an error the span counts as failed. A second call is ignored. */
  end(error?: unknown): void
}

/** Where spans go. One per process, passed in and closed by whoever opened it. */
export type Tracing = {
  /** False: spans exist in name only, so work that is done for a span alone is left out. */
  readonly on: boolean
  /** A child of `parent` (a W3C header), or the first span of a trace of its own. */
  start(name: string, about: { kind: SpanKind; parent?: string; attributes?: Attributes }): Span
  /** Sends what is held. */
  close(): Promise<void>
}

const nothing = (): void => undefined

/** Hands trace ids on and records nothing. */
export const noTracing: Tracing = {
  on: false,
  start: (_name, { parent }) => ({
    traceparent: parent === undefined ? newTraceparent() : childTraceparent(parent),
    set: nothing,
    rename: nothing,
    end: nothing,
  }),
  close: () => Promise.resolve(),
}
