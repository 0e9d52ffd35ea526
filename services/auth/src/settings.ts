import { defineSettings } from '@ashlar/platform/config'
import { z } from 'zod'
import { breachedFileProblem } from './infrastructure/breached-file.ts'

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
  forgotMinutes: {
    variable: 'ASHLAR_AUTH_FORGOT_MINUTES',
    schema: whole(5, 1440).default(60),
    description: 'Life of a mailed link that sets a new password.',
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
  passwordClasses: {
    variable: 'ASHLAR_AUTH_PASSWORD_CLASSES',
    schema: z
      .string()
      .default('')
      .transform((text) => [...new Set(text.split(',').map((word) => word.trim()))].filter((word) => word !== ''))
      .pipe(z.array(z.enum(['lower', 'upper', 'digit', 'symbol'], 'must be some of lower,upper,digit,symbol'))),
    description: 'Kinds of characters that a password must have, of lower, upper, digit, symbol, with commas between.',
    defaultText: 'none',
  },
  breachedPasswordsFile: {
    variable: 'ASHLAR_AUTH_BREACHED_PASSWORDS_FILE',
    schema: z
      .string()
      .min(1)
      .superRefine((path, context) => {
        const message = breachedFileProblem(path)
        if (message !== undefined) context.addIssue({ code: 'custom', message })
      })
      .optional(),
    description:
      'A file of breached passwords beside the list that is built in: SHA-1 in hex, sorted, one to a line, with or without `:count`.',
    defaultText: 'only the list that is built in',
  },
  guessTries: {
    variable: 'ASHLAR_AUTH_GUESS_TRIES',
    schema: whole(1, 100).default(5),
    description: 'Wrong passwords for one address from one network (/24, /64) before further tries are refused.',
  },
  guessWindowMinutes: {
    variable: 'ASHLAR_AUTH_GUESS_WINDOW_MINUTES',
    schema: whole(1, 1440).default(15),
    description: 'How long a wrong password counts.',
  },
  guessFreeTries: {
    variable: 'ASHLAR_AUTH_GUESS_FREE_TRIES',
    schema: whole(1, 1000).default(10),
    description: 'Wrong passwords for one address, from wherever, before further tries have to wait; none is refused.',
  },
  guessMaxPauseMs: {
    variable: 'ASHLAR_AUTH_GUESS_MAX_PAUSE_MS',
    schema: whole(0, 10_000).default(2_000),
    description: 'How long a try has to wait at most.',
  },
  guessMaxTracked: {
    variable: 'ASHLAR_AUTH_GUESS_MAX_TRACKED',
    schema: whole(1_000, 10_000_000).default(100_000),
    description: 'Addresses, and pairs of address and network, whose wrong tries are remembered at most.',
  },
  linksPerWindow: {
    variable: 'ASHLAR_AUTH_LINKS_PER_WINDOW',
    schema: whole(1, 100).default(3),
    description: 'Mails with a link of one kind that an address gets within the window.',
  },
  linkWindowMinutes: {
    variable: 'ASHLAR_AUTH_LINK_WINDOW_MINUTES',
    schema: whole(1, 1440).default(15),
    description: 'The window of that limit.',
  },
  linksPerDay: {
    variable: 'ASHLAR_AUTH_LINKS_PER_DAY',
    schema: whole(1, 1000).default(10),
    description: 'Mails with a link of one kind that an address gets within a day.',
  },
  registerEvenMs: {
    variable: 'ASHLAR_AUTH_REGISTER_EVEN_MS',
    schema: whole(0, 1_000).default(40),
    description: 'Least time from the password hash of a registration to its answer; hides what the store had to do.',
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
  inboxRetentionDays: {
    variable: 'ASHLAR_AUTH_INBOX_RETENTION_DAYS',
    schema: whole(8, 3650).default(30),
    description: 'How long it is remembered that an event was handled; the bus may deliver one again for a week.',
  },
  keyRotationDays: {
    variable: 'ASHLAR_AUTH_KEY_ROTATION_DAYS',
    schema: whole(0, 3650).default(90),
    description: 'Age at which the key that signs access tokens is replaced by a new one; 0 leaves it to the operator.',
  },
  keyOverlapSeconds: {
    variable: 'ASHLAR_AUTH_KEY_OVERLAP_SECONDS',
    schema: whole(10, 86_400).default(60),
    description:
      'How long a new signing key is published before it signs; verifiers may remember the key set half as long.',
  },
  databaseConnections: {
    variable: 'ASHLAR_AUTH_DATABASE_CONNECTIONS',
    schema: whole(2, 200).default(10),
    description: 'Most connections of auth to its database.',
  },
})
