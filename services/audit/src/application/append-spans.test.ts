import { noTracing, type Tracing } from '@ashlar/platform/telemetry'
import { expect, test } from 'vitest'
import type { Draft } from '../domain/entry.ts'
import { appendSpans } from './append-spans.ts'

const recording = () => {
  const spans: { name: string; parent?: string; attributes?: object; ended: boolean; error?: unknown }[] = []
  const tracing: Tracing = {
    on: true,
    start: (name, { parent, attributes }) => {
      const span = { name, parent, attributes, ended: false, error: undefined as unknown }
      spans.push(span)
      const end = (error?: unknown) => void Object.assign(span, { ended: true, error })
      return { traceparent: parent ?? '', set: () => {}, rename: () => {}, end }
    },
    close: async () => {},
  }
  return { tracing, spans }
}

const drafts = (...parents: (string | undefined)[]) => parents.map((traceparent) => ({ traceparent })) as Draft[]

test('each trace of a batch gets one span below the span that caused the change', () => {
  const { tracing, spans } = recording()
  const end = appendSpans(tracing)?.('payments', drafts('a', 'b', undefined, 'a'))
  expect(spans.map(({ parent, attributes }) => [parent, attributes])).toEqual([
    ['a', { 'ashlar.audit.chain': 'payments', 'ashlar.audit.entries': 2 }],
    ['b', { 'ashlar.audit.chain': 'payments', 'ashlar.audit.entries': 1 }],
  ])
  expect(spans.every(({ name, ended }) => name === 'audit append' && !ended)).toBe(true)
  const error = new Error('away')
  end?.(error)
  expect(spans.every(({ ended, error: of }) => ended && of === error)).toBe(true)
})

test('a backlog does not become a flood, and without a recorder there is nothing at all', () => {
  const { tracing, spans } = recording()
  appendSpans(tracing)?.('payments', drafts(...Array.from({ length: 1000 }, (_, index) => `t${index}`)))
  expect(spans).toHaveLength(200)
  expect(appendSpans(noTracing)).toBeUndefined()
})
