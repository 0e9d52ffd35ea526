import { type Bus, createPostgresBus } from '@ashlar/platform/bus'
import { answer, type Command, EXIT, type Io, Misuse } from './command.ts'
import { withStores } from './session.ts'

/** The bus as its operator sees it: a service's own role sees only its own subscriptions. */
const withBus = (io: Io, work: (bus: Bus) => Promise<number>): Promise<number> =>
  withStores(io, async ({ runtime, stores }) => {
    const bus = createPostgresBus({ url: stores.url('bus', 'admin'), runtime })
    try {
      return await work(bus)
    } finally {
      await bus.close()
    }
  })

export const dlq: Command = {
  summary: 'list, redrive or discard dead letters',
  usage: [
    'ashlar dlq list [--json]',
    'ashlar dlq redrive <id>|--all [--json]',
    'ashlar dlq discard <id> --reason <text> [--json]',
  ],
  about: `An event whose handler failed six times is a dead letter, and later events of its key wait behind
it. redrive hands it over again, then those that waited, in order. discard drops it and lets the
others pass; who did it and why stands in the audit trail.`,
  options: { all: { type: 'boolean' }, reason: { type: 'string' } },
  run: async (io, args) => {
    const [verb, id] = args.positionals
    const { all, reason } = args.values
    if (verb === 'list') {
      return withBus(io, async (bus) => {
        const letters = await bus.deadLetters.list()
        answer(io, args, letters, () =>
          letters.length === 0
            ? ['no dead letters']
            : letters.map(({ id, event, attempts, waiting, error }) =>
                [id, event.type, `subject ${event.subject}`, `${attempts} tries`, `${waiting} waiting`, error].join(
                  '  ',
                ),
              ),
        )
        return EXIT.done
      })
    }
    if (verb === 'redrive' && (id !== undefined) !== (all === true)) {
      return withBus(io, async (bus) => {
        const redriven = await bus.deadLetters.redrive(id ?? 'all')
        answer(io, args, { redriven }, () => [`${redriven} redriven`])
        return redriven > 0 || all === true ? EXIT.done : EXIT.notSo
      })
    }
    if (verb === 'discard' && id !== undefined && typeof reason === 'string' && reason.trim() !== '') {
      return withBus(io, async (bus) => {
        const known = (await bus.deadLetters.list()).some((letter) => letter.id === id)
        if (known) await bus.deadLetters.discard(id, reason)
        answer(io, args, { discarded: known }, () => [known ? `${id} discarded` : `no dead letter ${id}`])
        return known ? EXIT.done : EXIT.notSo
      })
    }
    throw new Misuse('dlq takes list, redrive <id>|--all, or discard <id> --reason <text>')
  },
}
