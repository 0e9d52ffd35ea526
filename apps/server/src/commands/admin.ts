import { answer, type Command, EXIT, Misuse } from './command.ts'
import { withAshlar } from './session.ts'

export const admin: Command = {
  summary: 'make an administrator',
  usage: ['ashlar admin create <email> [--password-stdin] [--json]'],
  about: `Makes a verified, active user with the role admin, or adds the role to the user who has that
address. With --password-stdin the password is read from standard input (its last newline is
dropped); without it a one-time set-up link is printed. There is no default administrator.`,
  options: { 'password-stdin': { type: 'boolean' } },
  run: async (io, args) => {
    const [verb, email] = args.positionals
    if (verb !== 'create' || email === undefined) throw new Misuse('admin create takes an e-mail address')
    const password = args.values['password-stdin'] === true ? (await io.readStdin()).replace(/\r?\n$/, '') : undefined
    return withAshlar(io, async ({ auth }, { configuration }) => {
      const result = await auth.createAdministrator({ email, password })
      if (!result.ok) {
        const { error } = result
        io.note(typeof error === 'string' ? error : `${error.code}: ${error.reasons.join(', ')}`)
        return EXIT.notSo
      }
      const { userId, created, setupToken } = result.value
      const link = setupToken && `${configuration.core.publicUrl}/reset-password?token=${setupToken}`
      answer(io, args, { userId, created, ...(link && { setupLink: link }) }, () => [
        created ? `administrator ${email} made (${userId})` : `${email} is an administrator now (${userId})`,
        ...(link ? ['set a password within 24 hours by this link, which works once:', link] : []),
      ])
      return EXIT.done
    })
  },
}
