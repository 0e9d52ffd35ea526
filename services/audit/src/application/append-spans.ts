import type { Tracing } from '@ashlar/platform/telemetry'
import type { Draft } from '../domain/entry.ts'

/** Traces of one batch that get a span of their own; a backlog must not become a flood of spans. */
const MAX_SPANS = 200

/** One span `audit append` per trace whose changes are stored; undefined where nobody records spans. */
export const appendSpans = (
  tracing: Tracing,
): ((chain: string, drafts: readonly Draft[]) => (error?: unknown) => void) | undefined => {
  if (!tracing.on) return undefined
  return (chain, drafts) => {
    const counts = new Map<string, number>()
    for (const { traceparent } of drafts) {
      if (traceparent === undefined || (counts.size >= MAX_SPANS && !counts.has(traceparent))) continue
      counts.set(traceparent, (counts.get(traceparent) ?? 0) + 1)
    }
    const spans = [...counts].map(([parent, entries]) =>
      tracing.start('audit append', {
        kind: 'internal',
        parent,
        attributes: { 'ashlar.audit.chain': chain, 'ashlar.audit.entries': entries },
      }),
    )
    return (error) => {
      for (const span of spans) span.end(error)
    }
  }
}
