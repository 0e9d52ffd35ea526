import { timestamp, uuid } from '@ashlar/platform/contract'
import { z } from 'zod'

// Coarse on purpose: the domain decides what an address is, and the length keeps nonsense away from it.
export const email = z.string().min(3).max(320).describe('An e-mail address')
export const password = z.string().max(4096)
export const secret = z.string().min(1).max(8192)
// Names travel into mail headers and subjects: a control character there would be an injected header. The two joiners
// are part of how Persian and Indic names are written.
export const name = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^(?:[^\p{C}\p{Zl}\p{Zp}]|[\u200c\u200d])*$/u, 'must not contain control characters')
  .nullish()

export const message = z.object({ message: z.string() })

export const user = z.object({
  id: uuid,
  email: z.string(),
  firstName: z.string().nullable(),
  lastName: z.string().nullable(),
  emailVerifiedAt: timestamp.nullable(),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
  createdAt: timestamp,
  updatedAt: timestamp,
})

export const managedUser = user.extend({ isActive: z.boolean() })

const words = '[a-z][a-z0-9_-]*'
export const roleName = z
  .string()
  .max(63)
  .regex(new RegExp(`^${words}$`), 'must be a lower-case word like support or night-shift')
export const permission = z
  .string()
  .max(100)
  .regex(new RegExp(`^${words}(?::${words})+$`), 'must be lower-case words joined by colons, like orders:read')

export const role = z.object({
  name: z.string(),
  permissions: z.array(z.string()),
  builtIn: z.boolean(),
  createdAt: timestamp,
  updatedAt: timestamp,
})

export const tokenPair = z.object({
  accessToken: z.string(),
  refreshToken: z.string(),
  tokenType: z.literal('Bearer'),
  expiresIn: z.int().describe('Seconds until the access token expires'),
  refreshExpiresIn: z.int().describe('Seconds until the refresh token expires'),
  sessionId: uuid,
})

export const session = z.object({
  id: uuid,
  current: z.boolean(),
  createdAt: timestamp,
  lastUsedAt: timestamp,
  expiresAt: timestamp,
  ipAddress: z.string().nullable(),
  userAgent: z.string().nullable(),
})

export const claims = z.looseObject({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  sub: uuid,
  sid: uuid,
  jti: z.string(),
  iat: z.number(),
  exp: z.number(),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
  email: z.string(),
  amr: z.array(z.string()),
  auth_time: z.number(),
})

export const jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) })
