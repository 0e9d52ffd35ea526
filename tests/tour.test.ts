import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Instance, root } from './support/instance.ts'

const run = promisify(execFile)
const tour = join(root, 'apps/server/src/tour.ts')

const clean = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ASHLAR_|VITEST|NODE_ENV)/.test(name)))

test('the tour starts an Ashlar of its own where none runs, tells the whole story and stops it', async () => {
  const instance = await Instance.create()
  const { stdout } = await run(process.execPath, [tour], { cwd: root, env: instance.env })
  for (const told of [
    'An auditor takes a seat',
    'charged once',
    'payment.processed.v1',
    'The auditor proves it',
    'valid',
  ]) {
    expect(stdout).toContain(told)
  }
  expect(stdout).not.toMatch(/password[:=] /i)
  expect((await instance.command(['status'])).code).toBe(1)
  await instance.remove()
})

test('the tour plays against an Ashlar that runs', async () => {
  const instance = await Instance.create()
  await instance.start()
  const { stdout } = await run(process.execPath, [tour], { cwd: root, env: instance.env })
  expect(stdout).toContain(instance.url.replace('127.0.0.1', 'localhost'))
  expect((await instance.command(['status'])).code).toBe(0)
  await instance.remove()
})

test('the tour exits non-zero where something is not as told', async () => {
  const instance = await Instance.create({ ASHLAR_ENV: 'test', ASHLAR_MAIL_URL: 'smtp://127.0.0.1:9' })
  await expect(run(process.execPath, [tour], { cwd: root, env: instance.env })).rejects.toMatchObject({ code: 1 })
  await instance.remove()
}, 120_000)

/** The shell blocks of the README, in order. */
const blocks = async (): Promise<string[]> =>
  [...(await readFile(join(root, 'README.md'), 'utf8')).matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(
    ([, block]) => block ?? '',
  )

test("the README's own code blocks run to the letter", { timeout: 120_000 }, async () => {
  const instance = await Instance.create()
  const port = instance.port
  const script = (await blocks())
    .filter((block) => !/npm (ci|test)|git clone/.test(block.replace(/npm ci && npm start/g, '')))
    .join('\n')
  expect(script).toContain('npm start')
  expect(script).toContain('curl')
  // The README speaks of port 3000 and the default data directory; a test may not claim either.
  const localised = script
    .replaceAll('localhost:3000', `localhost:${port}`)
    .replace(
      /npm ci && npm start/g,
      'npm start > "$SERVER_LOG" 2>&1 &\nserver=$!\nfor i in $(seq 300); do curl -fs localhost:' +
        port +
        '/readyz > /dev/null && break; sleep 0.1; done',
    )
  const { stdout } = await run(
    'bash',
    ['-euo', 'pipefail', '-c', `trap 'kill \${server:-0}; wait' EXIT\n${localised}`],
    {
      cwd: root,
      env: {
        ...clean(),
        ...instance.env,
        PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`,
        SERVER_LOG: `${instance.dataDir}.log`,
      },
      maxBuffer: 16 * 1024 * 1024,
    },
  )
  expect(stdout).toContain('"completed"')
  expect(stdout).toContain('the trail is whole')
  await instance.remove()
})
