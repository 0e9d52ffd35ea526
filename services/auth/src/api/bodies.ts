import { createHash } from 'node:crypto'
import type { SessionView, TokenPair } from '../application/ports.ts'
import type { Account } from '../domain/account.ts'
import type { Role } from '../domain/rights.ts'

/** A user as he travels. */
export const userBody = (account: Account) => ({
  id: account.id,
  email: account.email,
  firstName: account.firstName,
  lastName: account.lastName,
  emailVerifiedAt: account.emailVerifiedAt?.toISOString() ?? null,
  roles: account.roles,
  permissions: account.permissions,
  createdAt: account.createdAt.toISOString(),
  updatedAt: account.updatedAt.toISOString(),
})

/** A strong tag of a user as he travels: rights that change through a role change it too. */
export const etagOf = (account: Account): string =>
  `"${createHash('sha256')
    .update(JSON.stringify(userBody(account)))
    .digest('base64url')
    .slice(0, 22)}"`

/** A user as he travels to whoever looks after people. */
export const managedUserBody = (account: Account) => ({ ...userBody(account), isActive: account.isActive })

export const roleBody = (role: Role) => ({
  name: role.name,
  permissions: role.permissions,
  builtIn: role.builtIn,
  createdAt: role.createdAt.toISOString(),
  updatedAt: role.updatedAt.toISOString(),
})

export const pairBody = (pair: TokenPair, accessTokenSeconds: number) => ({
  accessToken: pair.accessToken,
  refreshToken: pair.refreshToken,
  tokenType: 'Bearer',
  expiresIn: accessTokenSeconds,
  refreshExpiresIn: Math.floor((pair.refreshExpiresAt.getTime() - pair.issuedAt.getTime()) / 1000),
  sessionId: pair.sessionId,
})

export const sessionBody = (session: SessionView, currentId: string) => ({
  id: session.id,
  current: session.id === currentId,
  createdAt: session.createdAt.toISOString(),
  lastUsedAt: session.lastUsedAt.toISOString(),
  expiresAt: session.expiresAt.toISOString(),
  ipAddress: session.ipAddress,
  userAgent: session.userAgent,
})
