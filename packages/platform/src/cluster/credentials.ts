import { join } from 'node:path'
import pg from 'pg'
import type { Site } from './place.ts'
import { runToEnd } from './regime.ts'
import { scramVerifier } from './scram.ts'

/**
 * Makes the administrative role what the caller says it is, on a stopped cluster: after a copied template, or when
 * the data directory's secrets were replaced. Whoever may write these files owns the cluster anyway.
 */
export const resetAdmin = async ({ place, regime }: Site, role: string, password: string): Promise<void> => {
  const [name, literal] = [pg.escapeIdentifier(role), pg.escapeLiteral(role)]
  const verifier = pg.escapeLiteral(await scramVerifier(password))
  const statements = [
    `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal}) THEN CREATE ROLE ${name}; END IF; END $$`,
    `ALTER ROLE ${name} SUPERUSER LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD ${verifier}`,
  ]
  // Single-user mode: no socket, one statement a line, as the role that initdb made.
  await runToEnd(
    regime,
    [join(regime.bin, 'postgres'), '--single', '-D', place, 'postgres'],
    `${statements.join('\n')}\n`,
  )
}
