// Planted: api-knows-no-store
import { Kysely } from 'kysely'
export const route = Kysely
