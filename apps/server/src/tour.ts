/**
 * `npm run tour`: plays the main job against the Ashlar that runs on the configured data directory, or, where none
 * runs, against one that it starts on a scratch directory and stops again. Exits 1 if anything is not as told.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findRunning } from '@ashlar/platform/cluster'
import { loadConfiguration } from './config.ts'
import { createClient, eventually, NotAsTold } from './tour/client.ts'
import { openEventLog } from './tour/event-log.ts'
import { tellStory } from './tour/story.ts'
import { createWitness } from './tour/witness.ts'

const cli = join(import.meta.dirname, 'cli.ts')

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

type Stage = { env: NodeJS.ProcessEnv; url: string; leave(): Promise<void> }

/** The Ashlar that runs here already, or one of the tour's own. */
const findStage = async (): Promise<Stage> => {
  const { core } = loadConfiguration(process.env)
  if (await findRunning(core.dataDir)) return { env: process.env, url: core.publicUrl, leave: async () => {} }

  const scratch = await mkdtemp(join(tmpdir(), 'ashlar-tour-'))
  const port = await freePort()
  const env = {
    ...process.env,
    ASHLAR_DATA_DIR: join(scratch, 'data'),
    ASHLAR_PORT: String(port),
    ASHLAR_PUBLIC_URL: `http://localhost:${port}`,
    ASHLAR_LOG_LEVEL: 'error',
  }
  const server = spawn(process.execPath, [cli, 'start'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  return { env, url: env.ASHLAR_PUBLIC_URL, leave: () => endServer(server, scratch) }
}

const endServer = async (server: ChildProcess, scratch: string): Promise<void> => {
  if (server.exitCode === null) {
    const exit = once(server, 'exit')
    server.kill('SIGTERM')
    await exit
  }
  await rm(scratch, { recursive: true, force: true, maxRetries: 5 })
}

/** `ashlar admin create` with a random password, which only the tour's own process ever holds. */
const makeAdministrator = async (env: NodeJS.ProcessEnv, email: string): Promise<string> => {
  const password = randomBytes(24).toString('base64url')
  const child = spawn(process.execPath, [cli, 'admin', 'create', email, '--password-stdin'], {
    env,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const exit = once(child, 'exit')
  child.stdin.end(password)
  const [code] = await exit
  if (code !== 0) throw new NotAsTold(`ashlar admin create exited with ${code}`)
  return password
}

const narrator = {
  chapter: (title: string): void => console.log(`\n${title}`),
  tell: (line: string): void => console.log(`  ${line}`),
  proof: (line: string): void => console.log(`    ✓ ${line}`),
}

const play = async (): Promise<void> => {
  const stage = await findStage()
  try {
    console.log(`A tour of the Ashlar at ${stage.url}`)
    const client = createClient(stage.url)
    await eventually('readiness', async () => {
      const answer = await client.call({ method: 'GET', path: '/readyz' }).catch(() => undefined)
      return answer?.status === 200 ? true : undefined
    })
    const eventLog = await openEventLog(stage.env)
    try {
      const witness = createWitness(client, eventLog.typesOf)
      await tellStory({ client, witness, narrator, makeAdministrator: (email) => makeAdministrator(stage.env, email) })
    } finally {
      await eventLog.close()
    }
    console.log('\nEverything was as told.')
  } finally {
    await stage.leave()
  }
}

try {
  await play()
} catch (error) {
  console.error(`\nNot as told: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
