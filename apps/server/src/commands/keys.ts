import { answer, type Command, EXIT, Misuse } from './command.ts'
import { withAshlar } from './session.ts'

export const keys: Command = {
  summary: 'rotate the keys that sign access tokens',
  usage: ['ashlar keys rotate [--json]'],
  about: `Makes a new signing key. It is published at once and signs after an overlap, when every verifier
knows it; the old one is published until the last token that it signed is over. No request is refused,
and a running Ashlar takes the new key up without a restart.`,
  run: async (io, args) => {
    if (args.positionals[0] !== 'rotate') throw new Misuse('keys takes rotate')
    return withAshlar(io, async ({ auth }) => {
      const { kid, activeAt } = await auth.rotateSigningKeys()
      answer(io, args, { kid, activeAt: activeAt.toISOString() }, () => [
        `key ${kid} made; it signs from ${activeAt.toISOString()}`,
      ])
      return EXIT.done
    })
  },
}
