import { defineSettings, type SettingsOf } from '@ashlar/platform/config'
import { z } from 'zod'
import { isOrigin } from './domain/cors.ts'
import { parseEndpointLimits } from './domain/endpoint-limits.ts'
import { parseNetwork } from './domain/ip.ts'

const seconds = (least: number, most: number, usual: number) =>
  z.coerce.number().int().min(least).max(most).default(usual)

/** `true` and `false` alone: a slip such as `off` must not switch a limit on or off by accident. */
const flag = (usual: boolean) =>
  z
    .enum(['true', 'false'])
    .default(usual ? 'true' : 'false')
    .transform((text) => text === 'true')

const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== ''),
  )

export const gatewaySettings = defineSettings('gateway', {
  allowedHosts: {
    variable: 'ASHLAR_ALLOWED_HOSTS',
    schema: list.refine(
      (hosts) => hosts.every((host) => /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(\d{1,5}|\*))?$/i.test(host)),
      {
        error: 'must be a list of host, host:port or host:*, parted by commas',
      },
    ),
    description:
      'Hosts that requests may name, parted by commas: host, host:port or host:*. In development and test localhost, 127.0.0.1 and [::1] are allowed as well.',
    defaultText: 'the host of ASHLAR_PUBLIC_URL',
    example: 'api.example.com',
  },
  trustedProxies: {
    variable: 'ASHLAR_TRUSTED_PROXIES',
    schema: list.refine((entries) => entries.every((entry) => parseNetwork(entry) !== undefined), {
      error: 'must be a list of addresses or networks such as 10.0.0.0/8, parted by commas',
    }),
    description:
      'Addresses and networks of the proxies in front, parted by commas: only their X-Forwarded-For, Forwarded and X-Forwarded-Proto are believed.',
    defaultText: 'none',
    example: '10.0.0.0/8, 2001:db8::/32',
  },
  corsOrigins: {
    variable: 'ASHLAR_CORS_ORIGINS',
    schema: list.refine((origins) => origins.every(isOrigin), {
      error: 'must be a list of origins such as https://app.example.com, parted by commas; * is not one',
    }),
    description: 'Origins whose pages may call from a browser, parted by commas, each exactly as browsers write it.',
    defaultText: 'none',
    example: 'https://app.example.com',
    production: (origins) =>
      origins.some(
        (origin) => origin.startsWith('http://') && !/^http:\/\/(?:localhost|127\.0\.0\.1)(?::|$)/.test(origin),
      )
        ? 'every origin must be https://'
        : undefined,
  },
  cspReportOnly: {
    variable: 'ASHLAR_CSP_REPORT_ONLY',
    schema: flag(false),
    description: 'true lets browsers only tell of breaches of the content security policy instead of stopping them.',
  },
  hstsSeconds: {
    variable: 'ASHLAR_HSTS_SECONDS',
    schema: seconds(0, 63_072_000, 31_536_000),
    description:
      'How long browsers remember to come by https alone (HSTS); sent in production where the public URL is https. 0 leaves it out.',
  },
  httpsRedirect: {
    variable: 'ASHLAR_HTTPS_REDIRECT',
    schema: flag(true),
    description:
      'Where the public URL is https: requests that came to a trusted proxy by http (X-Forwarded-Proto) are sent to it.',
  },
  rateLimitEnabled: {
    variable: 'ASHLAR_RATE_LIMIT_ENABLED',
    schema: flag(true),
    description: 'false switches off request limits and the throttle on guessing.',
    production: (enabled) => (enabled ? undefined : 'request limits must stay on'),
  },
  requestsPerMinute: {
    variable: 'ASHLAR_RATE_LIMIT_PER_MINUTE',
    schema: z.coerce.number().int().min(1).max(1_000_000).default(100),
    description: 'Requests per minute and client address (an IPv6 /64 counts as one).',
  },
  userRequestsPerMinute: {
    variable: 'ASHLAR_RATE_LIMIT_USER_PER_MINUTE',
    schema: z.coerce.number().int().min(1).max(1_000_000).default(300),
    description: 'Requests per minute and signed-in user, from all addresses together.',
  },
  endpointLimits: {
    variable: 'ASHLAR_RATE_LIMIT_ENDPOINTS',
    schema: z
      .string()
      .default('')
      .refine((text) => parseEndpointLimits(text) !== undefined, {
        error: 'must be a list such as login=20/60,register=10/3600: requests per seconds and client address',
      }),
    description:
      'Replaces limits of single endpoints: name=requests/seconds, parted by commas. The names and defaults are the x-ashlar-limits in /openapi.json.',
    defaultText: 'as in /openapi.json',
    example: 'login=20/60,register=10/3600',
  },
  metricsPublic: {
    variable: 'ASHLAR_METRICS_PUBLIC',
    schema: flag(false),
    description: 'true serves /metrics on the public port in production too.',
  },
  managementPort: {
    variable: 'ASHLAR_MANAGEMENT_PORT',
    schema: z.coerce.number().int().min(0).max(65_535).default(3010),
    description: 'Port on the loopback interface that serves metrics and health in production.',
  },
  headersSeconds: {
    variable: 'ASHLAR_GATEWAY_HEADERS_SECONDS',
    schema: seconds(1, 120, 10),
    description: 'How long a client may take for the header of a request.',
  },
  bodySeconds: {
    variable: 'ASHLAR_GATEWAY_BODY_SECONDS',
    schema: seconds(1, 600, 30),
    description: 'How long a client may take for a whole request, its body included.',
  },
  idleSeconds: {
    variable: 'ASHLAR_GATEWAY_IDLE_SECONDS',
    schema: seconds(1, 600, 75),
    description: 'How long a connection without a request is kept.',
  },
  stallSeconds: {
    variable: 'ASHLAR_GATEWAY_STALL_SECONDS',
    schema: seconds(1, 600, 30),
    description: 'How long a client may take no bytes of an answer that waits for it.',
  },
  connectionsPerAddress: {
    variable: 'ASHLAR_GATEWAY_CONNECTIONS_PER_ADDRESS',
    schema: z.coerce.number().int().min(0).max(1_000_000).default(2_000),
    description:
      'Connections that one client address may hold open; trusted proxies as many as they like. 0: no limit.',
  },
  shedDelayMs: {
    variable: 'ASHLAR_GATEWAY_SHED_DELAY_MS',
    schema: z.coerce.number().int().min(10).max(60_000).default(300),
    description:
      'Average lateness of the event loop in milliseconds beyond which requests are refused (503); payments beyond twice of it, health never.',
  },
  shedInFlight: {
    variable: 'ASHLAR_GATEWAY_SHED_IN_FLIGHT',
    schema: z.coerce.number().int().min(1).max(100_000).default(250),
    description:
      'Requests that are worked on at once, beyond which further ones are refused (503); payments beyond twice of it, health never.',
  },
  drainSeconds: {
    variable: 'ASHLAR_GATEWAY_DRAIN_SECONDS',
    schema: seconds(1, 600, 25),
    description: 'How long a shutdown waits for requests that were accepted.',
  },
})

export type GatewaySettings = SettingsOf<typeof gatewaySettings>
