import { defineRoute, pageOf, pageQuery, uuid } from '@ashlar/platform/contract'
import { z } from 'zod'
import { managedUser, permission, role, roleName } from './shapes.ts'

const byId = z.object({ id: uuid })
const byName = z.object({ name: roleName })
const permissions = z.array(permission).max(200)

/** People and what they may do, for whoever looks after them. */
export const peopleRoutes = {
  listUsers: defineRoute({
    method: 'GET',
    path: '/users',
    summary: 'Users, newest first',
    access: { permission: 'users:read' },
    query: pageQuery({
      email: z
        .string()
        .min(1)
        .max(320)
        .optional()
        .describe('A whole address in any spelling, or the beginning of one followed by `*`'),
      role: roleName.optional(),
      active: z
        .enum(['true', 'false'])
        .transform((text) => text === 'true')
        .optional(),
    }),
    responses: { 200: pageOf(managedUser) },
    errors: ['validation_failed'],
  }),
  getUser: defineRoute({
    method: 'GET',
    path: '/users/:id',
    summary: 'A user: oneself, or any with `users:read`',
    access: 'user',
    params: byId,
    responses: { 200: managedUser },
    errors: ['not_found'],
  }),
  deleteUser: defineRoute({
    method: 'DELETE',
    path: '/users/:id',
    summary: 'Deletes oneself after a recent sign-in, or anybody with `users:delete`; nothing brings the account back',
    access: 'user',
    params: byId,
    responses: { 204: null },
    errors: ['not_found', 'forbidden', 'reauthentication_required', 'last_administrator'],
  }),
  activateUser: defineRoute({
    method: 'POST',
    path: '/users/:id/activate',
    summary: 'Lets a deactivated user sign in again; ended sessions stay ended',
    access: { permission: 'users:write' },
    params: byId,
    responses: { 200: managedUser },
    errors: ['not_found', 'forbidden'],
  }),
  deactivateUser: defineRoute({
    method: 'POST',
    path: '/users/:id/deactivate',
    summary: 'Ends every session of a user at once and lets him sign in no more',
    access: { permission: 'users:write' },
    params: byId,
    responses: { 200: managedUser },
    errors: ['not_found', 'forbidden', 'last_administrator'],
  }),
  setUserRoles: defineRoute({
    method: 'PUT',
    path: '/users/:id/roles',
    summary: 'Gives a user exactly these roles; his access tokens must be refreshed',
    access: { permission: 'roles:assign' },
    params: byId,
    body: z.object({ roles: z.array(roleName).max(20) }),
    responses: { 200: managedUser },
    errors: ['validation_failed', 'not_found', 'forbidden', 'last_administrator'],
  }),
  listRoles: defineRoute({
    method: 'GET',
    path: '/roles',
    summary: 'Roles and what they permit, newest first',
    access: { permission: 'roles:read' },
    query: pageQuery(),
    responses: { 200: pageOf(role) },
  }),
  createRole: defineRoute({
    method: 'POST',
    path: '/roles',
    summary: 'Makes a role; permissions may have any name, and whoever makes it must hold them',
    access: { permission: 'roles:write' },
    body: z.object({ name: roleName, permissions }),
    responses: { 201: role },
    errors: ['validation_failed', 'forbidden'],
  }),
  updateRole: defineRoute({
    method: 'PUT',
    path: '/roles/:name',
    summary: 'Gives a role exactly these permissions; access tokens of its holders must be refreshed',
    access: { permission: 'roles:write' },
    params: byName,
    body: z.object({ permissions }),
    responses: { 200: role },
    errors: ['validation_failed', 'not_found', 'forbidden'],
  }),
  deleteRole: defineRoute({
    method: 'DELETE',
    path: '/roles/:name',
    summary: 'Takes a role from all who hold it and removes it; built-in roles stay',
    access: { permission: 'roles:write' },
    params: byName,
    responses: { 204: null },
    errors: ['not_found', 'forbidden'],
  }),
} as const
