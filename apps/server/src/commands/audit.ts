import { readFile } from 'node:fs/promises'
import { verifyExport } from '@ashlar/audit'
import { type Arguments, answer, type Command, EXIT, type Io, Misuse, withProgress } from './command.ts'
import { withAshlar } from './session.ts'

type Verdict = { valid: boolean; checked: number; firstBad: { chain: string; sequence: number; reason: string } | null }

export const audit: Command = {
  summary: 'verify, export or archive the audit trail',
  usage: [
    'ashlar audit verify [--export <file>] [--public-key <file>] [--json]',
    'ashlar audit export <file> [--json]',
    'ashlar audit archive --through <yyyy-mm> [--json]',
  ],
  about: `verify walks every chain and every signed checkpoint and names the first entry that was edited,
deleted, inserted, swapped or cut off: exit code 1. With --export it needs no database, only the
file that export wrote; --public-key pins the key that must have signed.

archive writes each month up to the given one to a signed file in the data directory, verifies it and
takes the month out of the database. The rest of the trail still verifies, and so does each file.`,
  options: { export: { type: 'string' }, 'public-key': { type: 'string' }, through: { type: 'string' } },
  run: async (io, args) => {
    const [verb, file] = args.positionals
    const keyFile = args.values['public-key']
    const publicKey = typeof keyFile === 'string' ? await readFile(keyFile, 'utf8') : undefined
    if (verb === 'verify') {
      const exported = args.values.export
      let checked = 0
      const onProgress = (count: number): void => {
        checked = count
      }
      const verdict = await withProgress(
        io,
        () => `verifying, ${checked} entries checked`,
        () =>
          typeof exported === 'string'
            ? verifyExport(exported, { publicKey, onProgress })
            : withAshlar(io, ({ audit }) => audit.verify({ publicKey, onProgress })),
      )
      return report(io, args, verdict)
    }
    if (verb === 'export' && file !== undefined) {
      return withAshlar(io, async ({ audit }) => {
        let written = 0
        const { entries } = await withProgress(
          io,
          () => `exporting, ${written} entries written`,
          () => audit.exportTrail(file, { onProgress: (count) => (written = count) }),
        )
        answer(io, args, { entries, file }, () => [`${entries} entries written to ${file}`])
        return EXIT.done
      })
    }
    const { through } = args.values
    if (verb === 'archive' && typeof through === 'string' && /^\d{4}-(?:0[1-9]|1[0-2])$/.test(through)) {
      return withAshlar(io, async ({ audit }, { stores }) => {
        const adminUrl = stores.url('audit', 'admin')
        const months = await withProgress(
          io,
          () => 'archiving',
          () => audit.archiveMonths({ through, adminUrl }),
        )
        answer(io, args, months, () =>
          months.length === 0
            ? ['no month to archive']
            : months.map(({ name, file, entries }) => `${name}: ${entries} entries in ${file}`),
        )
        return EXIT.done
      })
    }
    throw new Misuse('audit takes verify, export <file> or archive --through <yyyy-mm>')
  },
}

const report = (io: Io, args: Arguments, verdict: Verdict): number => {
  const { valid, checked, firstBad } = verdict
  answer(io, args, verdict, () => [
    firstBad === null
      ? `${checked} entries checked: the trail is whole`
      : `${checked} entries checked: BAD at chain ${firstBad.chain}, sequence ${firstBad.sequence}: ${firstBad.reason}`,
  ])
  return valid ? EXIT.done : EXIT.notSo
}
