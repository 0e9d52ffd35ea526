import type { Span, Tracing } from './tracing.ts'

/** Runs `work` in a span of its own, which ends with it: failed where it throws. Off, `work` gets a fresh child's id. */
export const inSpan = async <T>(
  tracing: Tracing,
  name: string,
  about: Parameters<Tracing['start']>[1],
  work: (traceparent: string, span: Span) => Promise<T>,
): Promise<T> => {
  const span = tracing.start(name, about)
  try {
    return await work(span.traceparent, span)
  } catch (error) {
    span.end(error)
    throw error
  } finally {
    span.end()
  }
}
