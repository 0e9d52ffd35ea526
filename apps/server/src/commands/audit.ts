import { readFile } from 'node:fs/promises'
import { verifyExport } from '@ashlar/audit'
import { type Arguments, answer, type Command, EXIT, type Io, Misuse, withProgress } from './command.ts'
import { withAshlar } from './session.ts'

type Verdict = { valid: boolean; checked: number; firstBad: { chain: string; sequence: number; reason: string } | null }

export const audit: Command = {
  summary: 'verify or export the audit trail',
  usage: [
    'ashlar audit verify [--export <file>] [--public-key <file>] [--json]',
    'ashlar audit export <file> [--json]',
  ],
  about: `verify walks every chain and every signed checkpoint and names the first entry that was edited,
deleted, inserted, swapped or cut off: exit code 1. With --export it needs no database, only the
file that export wrote; --public-key pins the key that must have signed.`,
  options: { export: { type: 'string' }, 'public-key': { type: 'string' } },
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
    throw new Misuse('audit takes verify or export <file>')
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
