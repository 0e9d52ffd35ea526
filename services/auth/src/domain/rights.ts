import type { Rights, User } from './account.ts'

/** Whoever holds this role may grant anything, permissions that nobody holds yet among it. */
export const ADMINISTRATOR = 'admin'

/** What the role `admin` permits at least: it cannot lose these, or nobody could mend what was taken away. */
export const ADMINISTRATOR_PERMISSIONS: readonly string[] = [
  'users:read',
  'users:write',
  'users:delete',
  'roles:read',
  'roles:write',
  'roles:assign',
  'payments:read:any',
  'payments:process:any',
  'payments:cancel:any',
  'payments:write:any',
  'payments:refund',
  'notifications:read',
  'notifications:send',
  'notifications:suppress',
  'templates:write',
  'audit:read',
  'system:read',
  'system:operate',
]

export type Role = {
  name: string
  /** Sorted. */
  permissions: string[]
  /** Comes with every Ashlar and cannot be deleted. */
  builtIn: boolean
  createdAt: Date
  updatedAt: Date
}

/** Roles and permissions that a request hands out or takes away. */
export type Moved = { roles: readonly string[]; permissions: readonly string[] }

/** Nobody hands out, or takes away, what he does not hold himself. */
export const covers = (holder: Moved, moved: Moved): boolean =>
  holder.roles.includes(ADMINISTRATOR) ||
  (!moved.roles.includes(ADMINISTRATOR) &&
    moved.permissions.every((permission) => holder.permissions.includes(permission)))

/** Giving somebody new roles moves what they permit; taking one away is a matter among equals, so it moves all he has. */
export const movedByAssignment = (before: Moved, wanted: readonly Role[]): Moved => {
  const names = wanted.map(({ name }) => name)
  const added = wanted.filter(({ name }) => !before.roles.includes(name))
  const kept = before.roles.every((name) => names.includes(name))
  return {
    roles: [...added.map(({ name }) => name), ...(kept ? [] : before.roles)],
    permissions: [...added.flatMap(({ permissions }) => permissions), ...(kept ? [] : before.permissions)],
  }
}

/** What differs between the permissions of a role before and after a change; the rest is not touched. */
export const movedByChange = (role: Role, permissions: readonly string[]): Moved => ({
  roles: [role.name],
  permissions: [
    ...permissions.filter((permission) => !role.permissions.includes(permission)),
    ...role.permissions.filter((permission) => !permissions.includes(permission)),
  ],
})

/** Whether a set of permissions may become the role's: `admin` must stay able to mend everything. */
export const keepsItsPurpose = (role: Pick<Role, 'name'>, permissions: readonly string[]): boolean =>
  role.name !== ADMINISTRATOR || ADMINISTRATOR_PERMISSIONS.every((permission) => permissions.includes(permission))

/** Somebody who can sign in and administrate now. */
export const isAdministrator = (user: User, rights: Pick<Rights, 'roles'>): boolean =>
  user.isActive && user.emailVerifiedAt !== null && rights.roles.includes(ADMINISTRATOR)

// An access token names every permission of its session, must pass in a header, and is refused beyond 8 KiB. Names of
// this length leave room for the rest of it: twenty roles, the longest address, an issuer.
const RIGHTS_BYTES = 3_500
const QUOTES_AND_COMMA = 3

/** The room that permissions take in an access token. */
export const sizeOf = (permissions: readonly string[]): number =>
  permissions.reduce((bytes, permission) => bytes + permission.length + QUOTES_AND_COMMA, 0)

export const fitsToken = (bytes: number): boolean => bytes <= RIGHTS_BYTES

export const sortedUnique = (names: readonly string[]): string[] => [...new Set(names)].sort()
