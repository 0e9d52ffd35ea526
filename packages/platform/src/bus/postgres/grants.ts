import pg from 'pg'
import { Session } from '../../postgres/index.ts'

/**
 * Lets these roles append to the bus (through its function alone) and read it through subscriptions of their own.
 * Call it after the bus's migrations; calling it again changes nothing.
 */
export const grantBus = async ({ adminUrl, roles }: { adminUrl: string; roles: readonly string[] }): Promise<void> => {
  const session = await Session.open({ url: adminUrl, applicationName: 'ashlar-migrator', dependency: 'bus' })
  try {
    for (const role of roles.map((name) => pg.escapeIdentifier(name))) {
      await session.query(`
        GRANT USAGE ON SCHEMA public TO ${role};
        GRANT EXECUTE ON FUNCTION public.bus_append TO ${role};
        GRANT SELECT ON public.topics, public.events TO ${role};
        GRANT SELECT, INSERT, UPDATE ON public.subscriptions TO ${role};
        GRANT SELECT, INSERT, UPDATE, DELETE ON public.deliveries TO ${role}`)
    }
  } finally {
    await session.close()
  }
}
