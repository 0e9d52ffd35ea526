import type { MigrationSet } from '../src/postgres/index.ts'

/** The migrations of a small service for the platform's own tests. */
export const sampleMigrations: MigrationSet = { service: 'auth', folder: new URL('./migrations/', import.meta.url) }
