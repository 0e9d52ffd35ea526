import { answer, type Command, EXIT, Misuse } from './command.ts'
import { withAshlar } from './session.ts'

export const notifications: Command = {
  summary: 'send a message again',
  usage: ['ashlar notifications resend <id> [--json]'],
  about: `For a message that failed, or whose delivery is unknown because the connection was cut after its
last byte: Ashlar never repeats such a message by itself. The person may get it twice; who asked for
it stands in the audit trail.`,
  run: async (io, args) => {
    const [verb, id] = args.positionals
    if (verb !== 'resend' || id === undefined) throw new Misuse('notifications takes resend <id>')
    return withAshlar(io, async ({ notifications: service }) => {
      const result = await service.resendNotification(id)
      if (!result.ok) {
        io.note(`${id}: ${result.error}`)
        return EXIT.notSo
      }
      answer(io, args, { id, status: 'queued' }, () => [`${id} is queued again`])
      return EXIT.done
    })
  },
}
