import pg from 'pg'
import { matchesVerifier, scramVerifier } from './scram.ts'
import type { ClusterDatabase, ClusterRole } from './types.ts'

const { escapeIdentifier: name, escapeLiteral: text } = pg

type RoleRow = {
  rolname: string
  rolpassword: string | null
  plain: boolean
  rolreplication: boolean
  rolconnlimit: number
  setconfig: string[] | null
}

type DatabaseRow = { datname: string; may_connect: string[] }

/**
 * Statements of these roles put no error text into the server's log either: some messages quote the value they
 * complain of, and the caller has the error anyway.
 */
const ROLE_SETTINGS = { log_min_messages: 'log' }

/** Brings roles and databases to what is wanted. Only differences are written: a start without any reads twice. */
export const provision = async (
  client: pg.Client,
  adminRole: string,
  wanted: { roles: ClusterRole[]; databases: ClusterDatabase[] },
): Promise<void> => {
  if (wanted.roles.some((role) => role.name === adminRole)) {
    throw new Error(`The role ${adminRole} is the administrative one and cannot be a service's as well.`)
  }
  const roles = await client.query<RoleRow>(`
    SELECT r.rolname, r.rolpassword, r.rolreplication, r.rolconnlimit, s.setconfig,
           r.rolcanlogin AND NOT (r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolbypassrls) AS plain
      FROM pg_authid r LEFT JOIN pg_db_role_setting s ON s.setrole = r.oid AND s.setdatabase = 0`)
  const known = new Map(roles.rows.map((row) => [row.rolname, row]))
  const changes = await Promise.all(wanted.roles.map((role) => roleChanges(role, known.get(role.name))))
  for (const statement of changes.flat()) await client.query(statement)

  // The grantee 0 is PUBLIC; no role can bear that name.
  const databases = await client.query<DatabaseRow>(`
    SELECT d.datname, ARRAY(
             SELECT coalesce(r.rolname::text, 'public')
               FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
              WHERE a.privilege_type = 'CONNECT' AND a.grantee <> d.datdba) AS may_connect
      FROM pg_database d`)
  const present = new Map(databases.rows.map((row) => [row.datname, row.may_connect]))
  // The two that initdb makes are nobody's: a role that could enter them could fill the disk from there.
  const closed = ['postgres', 'template1'].map((database) => ({ name: database, connect: [] }))
  for (const database of [...closed, ...wanted.databases]) {
    for (const statement of databaseChanges(database, present.get(database.name))) await client.query(statement)
  }
}

const roleChanges = async (role: ClusterRole, row: RoleRow | undefined): Promise<string[]> => {
  const limit = role.connectionLimit ?? -1
  const replication = role.replication ?? false
  const samePassword = row !== undefined && (await matchesVerifier(role.password, row.rolpassword))
  const same = row?.plain && row.rolreplication === replication && row.rolconnlimit === limit && samePassword
  const attributes = [
    'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS',
    replication ? 'REPLICATION' : 'NOREPLICATION',
    `CONNECTION LIMIT ${limit}`,
    samePassword ? '' : `PASSWORD ${text(await scramVerifier(role.password))}`,
  ].join(' ')
  const statements = same ? [] : [`${row ? 'ALTER' : 'CREATE'} ROLE ${name(role.name)} ${attributes}`]

  const before = new Map((row?.setconfig ?? []).map((entry) => split(entry)))
  const after = new Map(
    Object.entries({ ...ROLE_SETTINGS, ...role.settings }).map(([key, value]) => [key.toLowerCase(), value]),
  )
  for (const key of before.keys())
    if (!after.has(key)) statements.push(`ALTER ROLE ${name(role.name)} RESET ${setting(key)}`)
  for (const [key, value] of after) {
    if (before.get(key) !== value)
      statements.push(`ALTER ROLE ${name(role.name)} SET ${setting(key)} = ${settingValue(key, value)}`)
  }
  return statements
}

const databaseChanges = (database: ClusterDatabase, mayConnect: string[] | undefined): string[] => {
  const statements = mayConnect ? [] : [`CREATE DATABASE ${name(database.name)}`]
  const now = mayConnect ?? ['public']
  for (const role of now.filter((grantee) => !database.connect.includes(grantee))) {
    statements.push(
      `REVOKE CONNECT ON DATABASE ${name(database.name)} FROM ${role === 'public' ? 'PUBLIC' : name(role)}`,
    )
  }
  const missing = database.connect.filter((role) => !now.includes(role))
  if (missing.length > 0)
    statements.push(`GRANT CONNECT ON DATABASE ${name(database.name)} TO ${missing.map(name).join(', ')}`)
  return statements
}

const split = (entry: string): [string, string] => {
  const at = entry.indexOf('=')
  return [entry.slice(0, at).toLowerCase(), entry.slice(at + 1)]
}

const setting = (key: string): string => {
  if (!/^[a-z_][a-z0-9_.]*$/i.test(key)) throw new Error(`Not the name of a PostgreSQL setting: ${key}`)
  return key
}

/** A path is a list of names; as one literal it would be one strange name. */
const settingValue = (key: string, value: string): string =>
  key === 'search_path'
    ? value
        .split(',')
        .map((part) => text(part.trim()))
        .join(', ')
    : text(value)
