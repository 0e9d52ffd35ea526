import { SpanKind as OtelKind, type Span as OtelSpan, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { parseTraceparent } from '../context/trace.ts'
import type { SamplerSettings, TracingOptions, TracingSettings } from './open-tracing.ts'
import type { Span, SpanKind, Tracing } from './tracing.ts'

/** How long a shutdown waits for a collector that does not answer. */
const PATIENCE_MS = 5_000
const LONGEST_VALUE = 4_096

const KINDS: Readonly<Record<SpanKind, OtelKind>> = {
  server: OtelKind.SERVER,
  internal: OtelKind.INTERNAL,
  client: OtelKind.CLIENT,
  producer: OtelKind.PRODUCER,
  consumer: OtelKind.CONSUMER,
}

/**
 * Real spans, sent in batches to an OTLP collector. The provider is this one's own and never registered as the global
 * one. A collector that does not take them costs spans and nothing else: beyond the queue's size they are dropped.
 */
export const createOtelTracing = (settings: TracingSettings, { onFailure }: TracingOptions): Tracing => {
  const exporter = telling(new OTLPTraceExporter({ url: settings.url, headers: settings.headers }), onFailure)
  const { maxQueueSize, maxExportBatchSize, scheduledDelayMs, exportTimeoutMs } = settings.batch
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes(settings.resource)),
    sampler: samplerOf(settings.sampler),
    spanLimits: { attributeValueLengthLimit: LONGEST_VALUE },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize,
        maxExportBatchSize: Math.min(maxExportBatchSize, maxQueueSize),
        scheduledDelayMillis: scheduledDelayMs,
        exportTimeoutMillis: exportTimeoutMs,
      }),
    ],
  })
  const tracer = provider.getTracer('ashlar')
  let closing: Promise<void> | undefined

  return {
    on: true,
    start: (name, { kind, parent, attributes }) => {
      const from = parent === undefined ? undefined : parseTraceparent(parent)
      const context = from
        ? trace.setSpanContext(ROOT_CONTEXT, {
            traceId: from.traceId,
            spanId: from.spanId,
            traceFlags: from.sampled ? 1 : 0,
            isRemote: true,
          })
        : ROOT_CONTEXT
      return spanOf(tracer.startSpan(name, { kind: KINDS[kind], attributes }, context))
    },
    close: () => {
      closing ??= atMost(PATIENCE_MS, provider.shutdown()).catch((error: unknown) => onFailure?.(error))
      return closing
    },
  }
}

const spanOf = (span: OtelSpan): Span => {
  const { traceId, spanId, traceFlags } = span.spanContext()
  let ended = false
  return {
    traceparent: `00-${traceId}-${spanId}-${(traceFlags & 1) === 1 ? '01' : '00'}`,
    set: (attributes) => void span.setAttributes(attributes),
    rename: (name) => void span.updateName(name),
    end: (error) => {
      if (ended) return
      ended = true
      if (error !== undefined) {
        // The collector is another party: it hears what kind of error it was. Messages quote what people sent.
        span.setAttribute('error.type', typeOf(error))
        span.setStatus({ code: SpanStatusCode.ERROR })
      }
      span.end()
    },
  }
}

/** The code of a refusal or of a driver's error, else the name of the class. */
const typeOf = (error: unknown): string => {
  if (typeof error === 'string') return error
  if (typeof error !== 'object' || error === null) return 'unknown'
  const { code, name } = error as { code?: unknown; name?: unknown }
  if (typeof code === 'string' && /^\w{1,60}$/.test(code)) return code
  return typeof name === 'string' ? name : 'unknown'
}

const samplerOf = ({ parentBased, root, ratio }: SamplerSettings): Sampler => {
  const own =
    root === 'on'
      ? new AlwaysOnSampler()
      : root === 'off'
        ? new AlwaysOffSampler()
        : new TraceIdRatioBasedSampler(ratio)
  return parentBased ? new ParentBasedSampler({ root: own }) : own
}

/** The library reports failures to a global logger alone. Here the first of a row is told. */
const telling = (exporter: SpanExporter, onFailure: TracingOptions['onFailure']): SpanExporter => {
  let failing = false
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.code !== 0
        if (failed && !failing) onFailure?.(result.error ?? new Error('the collector refused the spans'))
        failing = failed
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  }
}

const atMost = async (ms: number, work: Promise<void>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the collector did not answer within ${ms} ms`)), ms)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
