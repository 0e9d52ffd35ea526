import type { DatabaseName } from '@ashlar/platform/runtime'
import { DATABASES } from '../stores.ts'
import { answer, type Command, EXIT, Misuse } from './command.ts'
import { withStores } from './session.ts'

export const db: Command = {
  summary: 'print the URL of a database, for psql and the like',
  usage: [`ashlar db url ${DATABASES.join('|')}`],
  about: `The last line is the URL of an administrative role of that database; in the embedded cluster
it is a superuser. What you change by it shows in the audit trail as database:<that role>.
The embedded databases live as long as Ashlar runs: start it first.`,
  run: async (io, args) => {
    const [verb, name] = args.positionals
    if (verb !== 'url' || !(DATABASES as readonly (string | undefined)[]).includes(name)) {
      throw new Misuse(`db url takes one of ${DATABASES.join(', ')}`)
    }
    return withStores(io, async ({ stores }) => {
      const url = stores.url(name as DatabaseName, 'admin')
      if (stores.cluster)
        io.note('Ashlar does not run: the address answers only after `ashlar start`, perhaps on another port.')
      answer(io, args, { url }, () => [url])
      return EXIT.done
    })
  },
}
