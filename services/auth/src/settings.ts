import { defineSettings } from '@ashlar/platform/config'
import { z } from 'zod'

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)

/** Every number of this service. */
export const authSettings = defineSettings('auth', {
  accessTokenSeconds: {
    variable: 'ASHLAR_AUTH_ACCESS_TOKEN_SECONDS',
    schema: whole(60, 3600).default(900),
    description: 'Life of an access token.',
  },
  audience: {
    variable: 'ASHLAR_AUTH_AUDIENCE',
    schema: z.string().min(1).max(200).default('ashlar'),
    description: 'Audience of access tokens (`aud`).',
  },
  refreshSlidingDays: {
    variable: 'ASHLAR_AUTH_REFRESH_SLIDING_DAYS',
    schema: whole(1, 365).default(30),
    description: 'How long a session lives without being used.',
  },
  refreshAbsoluteDays: {
    variable: 'ASHLAR_AUTH_REFRESH_ABSOLUTE_DAYS',
    schema: whole(1, 730).default(90),
    description: 'How long a session lives at most.',
  },
  refreshGraceSeconds: {
    variable: 'ASHLAR_AUTH_REFRESH_GRACE_SECONDS',
    schema: whole(1, 300).default(30),
    description: 'How long a refresh token that was used gets the same successor again.',
  },
  verificationHours: {
    variable: 'ASHLAR_AUTH_VERIFICATION_HOURS',
    schema: whole(1, 168).default(24),
    description: 'Life of a link that proves an address.',
  },
  resetHours: {
    variable: 'ASHLAR_AUTH_RESET_HOURS',
    schema: whole(1, 168).default(24),
    description: 'Life of a set-up token, by which a first password is chosen.',
  },
  passwordMinLength: {
    variable: 'ASHLAR_AUTH_PASSWORD_MIN_LENGTH',
    schema: whole(8, 64).default(8),
    description: 'Fewest characters of a password.',
  },
  passwordMaxLength: {
    variable: 'ASHLAR_AUTH_PASSWORD_MAX_LENGTH',
    schema: whole(64, 1024).default(128),
    description: 'Most characters of a password; none is ever cut.',
  },
  hashConcurrency: {
    variable: 'ASHLAR_AUTH_HASH_CONCURRENCY',
    schema: whole(1, 64).default(2),
    description: 'Password hashes that run at once, 19 MiB each; more than there are cores gains nothing.',
  },
  hashQueueLength: {
    variable: 'ASHLAR_AUTH_HASH_QUEUE_LENGTH',
    schema: whole(1, 10_000).default(100),
    description: 'Password hashes that may wait; further ones are answered 503 at once.',
  },
  registrationRetentionDays: {
    variable: 'ASHLAR_AUTH_REGISTRATION_RETENTION_DAYS',
    schema: whole(1, 365).default(30),
    description: 'How long a registration that nobody proved can ask for a new link.',
  },
  sessionRetentionDays: {
    variable: 'ASHLAR_AUTH_SESSION_RETENTION_DAYS',
    schema: whole(1, 3650).default(90),
    description: 'How long sessions are kept after their end.',
  },
  databaseConnections: {
    variable: 'ASHLAR_AUTH_DATABASE_CONNECTIONS',
    schema: whole(2, 200).default(10),
    description: 'Most connections of auth to its database.',
  },
})
