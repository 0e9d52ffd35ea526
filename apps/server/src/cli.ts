import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Arguments, type Command, EXIT, type Io, Misuse } from './commands/command.ts'

// Stripped sources are kept from start to start; the folder belongs to the installation, not to everybody's /tmp.
enableCompileCache(join(import.meta.dirname, '../../../node_modules/.cache/ashlar'))

/** Each command is loaded only when it is called: `--help` needs no database driver. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./commands/start.ts')).start,
  status: async () => (await import('./commands/status.ts')).status,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  config: async () => (await import('./commands/config.ts')).config,
  db: async () => (await import('./commands/db.ts')).db,
  admin: async () => (await import('./commands/admin.ts')).admin,
  dlq: async () => (await import('./commands/dlq.ts')).dlq,
  audit: async () => (await import('./commands/audit.ts')).audit,
  ledger: async () => (await import('./commands/ledger.ts')).ledger,
  keys: async () => (await import('./commands/keys.ts')).keys,
  users: async () => (await import('./commands/users.ts')).users,
  notifications: async () => (await import('./commands/notifications.ts')).notifications,
  mailbox: async () => (await import('./commands/mailbox.ts')).mailbox,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
}

const io: Io = {
  env: process.env,
  out: (line) => void process.stdout.write(`${line}\n`),
  note: (line) => void process.stderr.write(`${line}\n`),
  readStdin: async () => {
    const chunks: Buffer[] = []
    for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array))
    return Buffer.concat(chunks).toString('utf8')
  },
}

const overview = async (): Promise<string> => {
  const lines = await Promise.all(
    Object.entries(commands).map(async ([name, load]) => `  ${name.padEnd(13)} ${(await load()).summary}`),
  )
  return `Usage: ashlar <command> [options]

${lines.join('\n')}

  ashlar <command> --help   what it does, its options, its exit codes

Options of every command:
  --json                    answer for scripts
  --help                    this text

Exit codes: 0 done, 1 not so, 2 misuse, 78 configuration.
Settings are ASHLAR_* variables: see docs/generated/configuration.md or .env.example.`
}

const manual = ({ usage, about }: Command): string => `Usage: ${usage.join('\n       ')}\n\n${about}`

const parse = (argv: string[], command: Command): Arguments & { help: boolean } => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' }, ...command.options },
  })
  return { values: values as Arguments['values'], positionals, help: values.help === true }
}

/** Runs one command line and answers its exit code. */
const run = async (argv: string[]): Promise<number> => {
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.out(await overview())
    return name === undefined ? EXIT.misuse : EXIT.done
  }
  const command = await commands[name]?.()
  if (command === undefined) {
    io.note(`ashlar: no command ${JSON.stringify(name)}; see ashlar --help`)
    return EXIT.misuse
  }
  try {
    const { help, ...args } = parse(rest, command)
    if (help) {
      io.out(manual(command))
      return EXIT.done
    }
    return await command.run(io, args)
  } catch (error) {
    return explain(name, command, error)
  }
}

/** Tells a failure in a line or two, never as a stack of secrets, and answers the exit code. */
const explain = async (name: string, command: Command, error: unknown): Promise<number> => {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Misuse || String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS')) {
    io.note(`ashlar: ${message}\n\n${manual(command)}`)
    return EXIT.misuse
  }
  const { ConfigurationError } = await import('@ashlar/platform/config')
  if (error instanceof ConfigurationError) {
    for (const line of error.lines) io.note(line)
    return EXIT.configuration
  }
  io.note(`ashlar ${name}: ${message}`)
  const { ClusterUnavailable } = await import('@ashlar/platform/cluster')
  return error instanceof ClusterUnavailable ? EXIT.configuration : EXIT.notSo
}

// `ashlar config print | head` closes the pipe early. That is no failure: the command goes on and its exit code stands.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

process.exitCode = await run(process.argv.slice(2))
