import type { ExecutionContext } from '@ashlar/platform/context'
import type { ColumnType } from 'kysely'
import type { AddressRequest } from '../../application/ports.ts'
import type { SessionId, User, UserId } from '../../domain/account.ts'
import type { EmailAddress } from '../../domain/email.ts'
import type { Role } from '../../domain/rights.ts'

/** The tables of migrations/, as the driver reads and takes them: int8 is a bigint, bytea a Buffer. */
export type AuthTables = {
  users: UserRow
  credentials: { user_id: UserId; password_hash: string; changed_at: Date }
  registrations: {
    id: string
    user_id: UserId
    link_hash: Buffer
    password_hash: string
    first_name: string | null
    last_name: string | null
    created_at: Date
    expires_at: Date
  }
  reset_tokens: { token_hash: Buffer; user_id: UserId; created_at: Date; expires_at: Date }
  address_requests: {
    id: string
    kind: AddressRequest['kind']
    email: EmailAddress
    context: ColumnType<ExecutionContext, string, never>
    requested_at: Date
  }
  mailed_links: { id: string; address_hash: string; kind: string; mailed_at: Date }
  password_hash_kinds: { prefix: string; added_at: Date }
  user_roles: { user_id: UserId; role: string }
  role_permissions: { role: string; permission: string }
  sessions: {
    id: SessionId
    user_id: UserId
    amr: string[]
    auth_time: Date
    ip_address: string | null
    user_agent: string | null
    rights_version: ColumnType<number, number | undefined>
    created_at: Date
    absolute_expires_at: Date
    ended_at: Date | null
    end_reason: string | null
  }
  refresh_tokens: {
    token_hash: Buffer
    session_id: SessionId
    predecessor_hash: Buffer | null
    created_at: Date
    expires_at: Date
    consumed_at: Date | null
    successor_hash: Buffer | null
    successor_sealed: Buffer | null
  }
  revocations: {
    sequence: bigint
    session_id: string | null
    role: string | null
    kind: 'revoked' | 'stale' | 'role'
    rights_version: number
    expires_at: Date
  }
  revocation_head: { sequence: bigint }
  signing_keys: {
    kid: string
    algorithm: string
    public_jwk: ColumnType<Record<string, unknown>, string, never>
    private_sealed: Buffer
    not_before: Date
    expires_at: Date | null
    created_at: Date
  }
}

export type UserRow = {
  id: UserId
  email: EmailAddress
  first_name: string | null
  last_name: string | null
  is_active: boolean
  email_verified_at: Date | null
  created_at: Date
  updated_at: Date
  version: number
}

/** The one crossing from a row of `users` to a user. */
export const toUser = (row: UserRow): User => ({
  id: row.id,
  email: row.email,
  firstName: row.first_name,
  lastName: row.last_name,
  isActive: row.is_active,
  emailVerifiedAt: row.email_verified_at,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  version: row.version,
})

/** A role with what it permits. */
export type RoleRow = { name: string; built_in: boolean; created_at: Date; updated_at: Date; permissions: string[] }

export const toRole = ({ name, permissions, built_in, created_at, updated_at }: RoleRow): Role => ({
  name,
  permissions,
  builtIn: built_in,
  createdAt: created_at,
  updatedAt: updated_at,
})
