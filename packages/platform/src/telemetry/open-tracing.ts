import { ConfigurationError } from '../config/index.ts'
import { noTracing, type Tracing } from './tracing.ts'

export type SamplerSettings = {
  /** A parent's decision is taken over where there is one. */
  parentBased: boolean
  root: 'on' | 'off' | 'ratio'
  ratio: number
}

export type TracingSettings = {
  url: string
  headers: Record<string, string>
  resource: Record<string, string>
  sampler: SamplerSettings
  batch: { maxQueueSize: number; maxExportBatchSize: number; scheduledDelayMs: number; exportTimeoutMs: number }
}

export type TracingOptions = {
  /** Hears of the first of a row of exports that failed. Must not throw. */
  onFailure?: (error: unknown) => void
}

/**
 * Tracing as the `OTEL_*` variables ask for it (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/):
 * on where an OTLP endpoint is named or `OTEL_TRACES_EXPORTER` is `otlp`, otherwise off. The library is loaded only
 * where it is on. Throws ConfigurationError for what would silently lose the traces that somebody asked for.
 */
export const openTracing = async (environment: NodeJS.ProcessEnv, options: TracingOptions = {}): Promise<Tracing> => {
  const settings = readTracingSettings(environment)
  if (!settings) return noTracing
  const { createOtelTracing } = await import('./otel-tracing.ts')
  return createOtelTracing(settings, options)
}

/** Undefined where tracing is off. The exporter itself reads the time limit, compression and certificates. */
export const readTracingSettings = (environment: NodeJS.ProcessEnv): TracingSettings | undefined => {
  const text = (name: string): string | undefined => environment[name]?.trim() || undefined
  const own = text('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT')
  const shared = text('OTEL_EXPORTER_OTLP_ENDPOINT')
  const exporter = text('OTEL_TRACES_EXPORTER')?.toLowerCase()
  if (text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true' || exporter === 'none') return undefined
  if (exporter === undefined && own === undefined && shared === undefined) return undefined

  const lines: string[] = []
  if (exporter !== undefined && exporter !== 'otlp') lines.push('OTEL_TRACES_EXPORTER: must be otlp or none')
  for (const name of ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']) {
    const protocol = text(name)
    if (protocol === undefined || protocol.startsWith('http/')) continue
    lines.push(`${name}: only OTLP over HTTP is spoken: set http/json, and the collector's HTTP endpoint (port 4318)`)
  }
  const url = own ?? `${(shared ?? 'http://localhost:4318').replace(/\/+$/, '')}/v1/traces`
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    lines.push(
      `${own === undefined ? 'OTEL_EXPORTER_OTLP_ENDPOINT' : 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'}: must be http:// or https://`,
    )
  }
  const number = (name: string, fallback: number): number => {
    const value = text(name)
    if (value === undefined) return fallback
    if (!/^[1-9]\d{0,8}$/.test(value)) lines.push(`${name}: must be a whole number above 0`)
    return Number(value)
  }
  const pairs = (name: string): Record<string, string> => readPairs(name, text(name), lines)

  const settings: TracingSettings = {
    url,
    headers: { ...pairs('OTEL_EXPORTER_OTLP_HEADERS'), ...pairs('OTEL_EXPORTER_OTLP_TRACES_HEADERS') },
    resource: {
      'service.name': 'ashlar',
      ...pairs('OTEL_RESOURCE_ATTRIBUTES'),
      ...nameOf(text('OTEL_SERVICE_NAME')),
    },
    sampler: readSampler(
      text('OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on',
      text('OTEL_TRACES_SAMPLER_ARG'),
      lines,
    ),
    batch: {
      maxQueueSize: number('OTEL_BSP_MAX_QUEUE_SIZE', 2_048),
      maxExportBatchSize: number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512),
      scheduledDelayMs: number('OTEL_BSP_SCHEDULE_DELAY', 5_000),
      exportTimeoutMs: number('OTEL_BSP_EXPORT_TIMEOUT', 30_000),
    },
  }
  if (lines.length > 0) throw new ConfigurationError(lines)
  return settings
}

const nameOf = (name: string | undefined): Record<string, string> =>
  name === undefined ? {} : { 'service.name': name }

/** `key=value,key=value`, percent-encoded. The values may be secrets and stand in no message. */
const readPairs = (name: string, text: string | undefined, lines: string[]): Record<string, string> => {
  const pairs: Record<string, string> = {}
  for (const pair of (text ?? '').split(',')) {
    if (pair.trim() === '') continue
    const equals = pair.indexOf('=')
    const key = pair.slice(0, Math.max(equals, 0)).trim()
    const value = decode(pair.slice(equals + 1).trim())
    if (key === '' || value === undefined)
      lines.push(`${name}: must be key=value,key=value with percent-encoded values`)
    else pairs[key] = value
  }
  return pairs
}

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const SAMPLER = /^(parentbased_)?(always_on|always_off|traceidratio)$/

const readSampler = (name: string, argument: string | undefined, lines: string[]): SamplerSettings => {
  const [, parentBased, kind] = SAMPLER.exec(name) ?? []
  if (kind === undefined) {
    lines.push('OTEL_TRACES_SAMPLER: must be always_on, always_off or traceidratio, with or without parentbased_')
  }
  const ratio = argument === undefined ? 1 : Number(argument)
  if (kind === 'traceidratio' && !(ratio >= 0 && ratio <= 1)) {
    lines.push('OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1')
  }
  const root = kind === 'always_off' ? 'off' : kind === 'traceidratio' ? 'ratio' : 'on'
  return { parentBased: parentBased !== undefined, root, ratio }
}
