import { migrateAll, statusOfMigrations } from '../migrations.ts'
import { answer, type Command, EXIT, Misuse, withProgress } from './command.ts'
import { withStores } from './session.ts'

export const migrate: Command = {
  summary: 'show or apply the migrations of every database',
  usage: ['ashlar migrate status [--json]', 'ashlar migrate up [--json]'],
  about:
    'Migrations go forward only and are checksummed. `start` applies them too. Exit code of status: 1 while some are pending.',
  run: async (io, args) => {
    const [verb] = args.positionals
    if (verb === 'status') {
      return withStores(io, async ({ stores }) => {
        const databases = await statusOfMigrations(stores)
        answer(io, args, databases, () =>
          databases.flatMap(({ database, status: { applied, pending, changed } }) => [
            ...applied.map(
              ({ name, appliedAt }) => `${database.padEnd(14)} ${name.padEnd(32)} ${appliedAt.toISOString()}`,
            ),
            ...pending.map((name) => `${database.padEnd(14)} ${name.padEnd(32)} pending`),
            ...changed.map((name) => `${database.padEnd(14)} ${name.padEnd(32)} CHANGED since it was applied`),
          ]),
        )
        const whole = databases.every(({ status: { pending, changed } }) => pending.length + changed.length === 0)
        return whole ? EXIT.done : EXIT.notSo
      })
    }
    if (verb === 'up') {
      return withStores(io, async ({ stores, runtime }) => {
        const applied = await withProgress(
          io,
          () => 'migrating',
          () => migrateAll(stores, runtime, runtime.logger('gateway')),
        )
        answer(io, args, applied, () =>
          Object.entries(applied).map(
            ([database, names]) => `${database.padEnd(14)} ${names.join(', ') || 'nothing to do'}`,
          ),
        )
        return EXIT.done
      })
    }
    throw new Misuse('migrate takes status or up')
  },
}
