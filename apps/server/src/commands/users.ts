import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { answer, type Command, EXIT, Misuse, withProgress } from './command.ts'
import { withAshlar } from './session.ts'

/** One person a line; a line that is no JSON is handed on as it is and refused by its number. */
async function* linesOf(file: string, onLine: (count: number) => void): AsyncGenerator<unknown> {
  let count = 0
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    onLine(++count)
    try {
      yield line.trim() === '' ? undefined : JSON.parse(line)
    } catch {
      yield line
    }
  }
}

export const users: Command = {
  summary: 'import people with the password hashes they have',
  usage: ['ashlar users import <file.ndjson> [--json]'],
  about: `One JSON object a line: email, passwordHash (bcrypt of cost 12 at most, or argon2id), firstName?,
lastName?, emailVerified?. Nobody gets a mail; at the next sign-in a hash is made anew where ours is
stronger. Lines that cannot be taken are named with the reason, the others are imported: exit code 1.`,
  run: async (io, args) => {
    const [verb, file] = args.positionals
    if (verb !== 'import' || file === undefined) throw new Misuse('users takes import <file>')
    return withAshlar(io, async ({ auth }) => {
      let read = 0
      const { imported, unchanged, refused } = await withProgress(
        io,
        () => `importing, ${read} lines read`,
        () =>
          auth.importUsers(
            linesOf(file, (count) => {
              read = count
            }),
          ),
      )
      answer(io, args, { imported, unchanged, refused }, () => [
        ...refused.map(({ line, reason }) => `line ${line}: ${reason}`),
        `${imported} imported, ${unchanged} unchanged, ${refused.length} refused`,
      ])
      return refused.length === 0 ? EXIT.done : EXIT.notSo
    })
  },
}
