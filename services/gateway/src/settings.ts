import { defineSettings, type SettingsOf } from '@ashlar/platform/config'
import { z } from 'zod'

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
  drainSeconds: {
    variable: 'ASHLAR_GATEWAY_DRAIN_SECONDS',
    schema: seconds(1, 600, 25),
    description: 'How long a shutdown waits for requests that were accepted.',
  },
})

export type GatewaySettings = SettingsOf<typeof gatewaySettings>
