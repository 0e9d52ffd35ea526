import pg from 'pg'
import type { Session } from './session.ts'

const ident = (name: string): string => pg.escapeIdentifier(name)

/**
 * What the roles may do, given again at each run so that a database that was copied or restored is right too.
 * Tables get the service's rights when they are created (default privileges), once: what a migration takes away
 * (`ashlar.append_only`) stays taken.
 */
export const grantAccess = async (
  session: Session,
  { runtimeRole, changesRole }: { runtimeRole: string; changesRole?: string },
): Promise<void> => {
  const role = ident(runtimeRole)
  await session.query(`GRANT USAGE ON SCHEMA public, ashlar TO ${role}`)
  await session.query(
    `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${role}`,
  )
  await session.query(`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO ${role}`)
  // The name of who did it is written by this function: it is for the services and for nobody else.
  const overloads = await session.query<{ signature: string }>(
    `SELECT p.oid::regprocedure::text AS signature FROM pg_proc p
     WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = 'pg_logical_emit_message'`,
  )
  for (const { signature } of overloads) {
    await session.query(`REVOKE EXECUTE ON FUNCTION ${signature} FROM PUBLIC`)
    await session.query(`GRANT EXECUTE ON FUNCTION ${signature} TO ${role}`)
  }
  if (changesRole !== undefined) await grantChanges(session, ident(changesRole))
}

const grantChanges = async (session: Session, role: string): Promise<void> => {
  await session.query(`GRANT USAGE ON SCHEMA public, ashlar TO ${role}`)
  const [catalogue] = await session.query<{ exists: boolean }>(
    `SELECT to_regclass('ashlar.tables') IS NOT NULL AS exists`,
  )
  if (!catalogue?.exists) return
  await session.query(`GRANT SELECT ON ashlar.tables TO ${role}`)
  const tables = await session.query<{ table_name: string; columns: string[] | null }>(
    'SELECT table_name, columns FROM ashlar.tables WHERE entity IS NOT NULL',
  )
  for (const { table_name, columns } of tables) {
    const listed = columns === null ? '' : ` (${columns.map(ident).join(', ')})`
    await session.query(`GRANT SELECT${listed} ON public.${ident(table_name)} TO ${role}`)
  }
}

/**
 * Bounds what a stuck client can hold: its transaction 30 s (PostgreSQL 17 and newer), idle inside one 15 s.
 * Left alone when already so: two migrators that alter one role at the same moment fail.
 */
export const limitRole = async (session: Session, runtimeRole: string): Promise<void> => {
  const [server] = await session.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  )
  const wanted = {
    idle_in_transaction_session_timeout: '15s',
    ...((server?.version ?? 0) >= 170_000 ? { transaction_timeout: '30s' } : {}),
  }
  const rows = await session.query<{ setting: string }>(
    `SELECT unnest(s.setconfig) AS setting FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
     WHERE r.rolname = $1 AND s.setdatabase = 0`,
    [runtimeRole],
  )
  const present = new Set(rows.map((row) => row.setting))
  for (const [name, value] of Object.entries(wanted)) {
    if (present.has(`${name}=${value}`)) continue
    await session.query(`ALTER ROLE ${ident(runtimeRole)} SET ${name} = '${value}'`)
  }
}
