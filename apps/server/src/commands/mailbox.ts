import { answer, type Command, EXIT } from './command.ts'
import { withAshlar } from './session.ts'

export const mailbox: Command = {
  summary: 'show the mails of the development mailbox',
  usage: ['ashlar mailbox [--to <address>] [--limit <n>] [--json]'],
  about: 'Newest first. With --json everything, bodies and headers included; else one line per mail and its links.',
  options: { to: { type: 'string' }, limit: { type: 'string' } },
  run: async (io, args) => {
    const { to, limit } = args.values
    return withAshlar(io, async ({ notifications }) => {
      const { data } = await notifications.mailbox.list({
        to: typeof to === 'string' ? to : undefined,
        limit: typeof limit === 'string' ? Number(limit) : 20,
      })
      answer(io, args, data, () =>
        data.length === 0
          ? ['no mails']
          : data.flatMap((mail) => [
              `${mail.sentAt}  ${mail.to}  ${mail.subject}`,
              ...mail.links.map((link) => `    ${link}`),
            ]),
      )
      return EXIT.done
    })
  },
}
