import { loadConfiguration, printableConfiguration } from '../config.ts'
import { answer, type Command, EXIT, Misuse } from './command.ts'

export const config: Command = {
  summary: 'check or print the configuration',
  usage: ['ashlar config check', 'ashlar config print [--json]'],
  about: `check tells every mistake at once, one per line, and exits 78 if there is one. print shows each
setting as it is in force; secrets are shown as (set) or (not set).`,
  run: async (io, args) => {
    const [verb] = args.positionals
    if (verb !== 'check' && verb !== 'print') throw new Misuse('config takes check or print')
    const configuration = loadConfiguration(io.env)
    if (verb === 'check') {
      answer(io, args, { valid: true }, () => ['the configuration is valid'])
      return EXIT.done
    }
    const settings = printableConfiguration(configuration)
    answer(io, args, settings, () => Object.entries(settings).map(([variable, value]) => `${variable}=${value}`))
    return EXIT.done
  },
}
