import { type Check, checkConfiguration, examine } from '../doctor/checks.ts'
import { answer, type Command, EXIT } from './command.ts'
import { withStores } from './session.ts'

const MARKS = { ok: '✓', warn: '!', fail: '✗' } as const

export const doctor: Command = {
  summary: 'find what an operator should mend before and while people rely on it',
  usage: ['ashlar doctor [--production] [--json]'],
  about: `Looks at the configuration, keys, disk, databases, dead letters, and at what the running Ashlar noticed
(for example a proxy that forwards addresses without being listed in ASHLAR_TRUSTED_PROXIES). With
--production it judges as production would. Exit code 1 if something fails, warnings alone are 0.`,
  options: { production: { type: 'boolean' } },
  run: async (io, args) => {
    const production = args.values.production === true
    const checks: Check[] = checkConfiguration(io.env, production)
    // What production refuses does not keep the doctor from looking at the rest.
    checks.push(
      ...(await withStores(io, (session) =>
        examine(session, production || session.configuration.core.environment === 'production'),
      )),
    )
    const failed = checks.filter(({ grade }) => grade === 'fail').length
    answer(io, args, { healthy: failed === 0, checks }, () => [
      ...checks.map(({ name, grade, detail }) => `${MARKS[grade]} ${name}: ${detail}`),
      failed === 0 ? 'nothing to mend' : `${failed} to mend`,
    ])
    return failed === 0 ? EXIT.done : EXIT.notSo
  },
}
