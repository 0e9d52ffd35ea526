import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance } from './support/instance.ts'

const SECRET = 'c2hvcnQta2V5LXRoYXQtaXMtYmFk'

/** What every instance of a test is given, and is right. */
const VALID = ['ASHLAR_DATA_DIR', 'ASHLAR_NOTIFICATIONS_RATE_SECONDS']

let instance: Instance

beforeAll(async () => {
  instance = await Instance.create({
    ASHLAR_ENV: 'staging',
    ASHLAR_PORT: '99999',
    ASHLAR_INSTALLATION: 'Not Valid!',
    ASHLAR_PUBLIC_URL: 'not a url',
    ASHLAR_LOG_LEVEL: 'loud',
    ASHLAR_RATE_LIMIT_ENABLED: 'perhaps',
    ASHLAR_MASTER_KEY: SECRET,
    ASHLAR_MAIL_URL: 'pigeon://loft',
    ASHLAR_AUTH_ACCESS_TOKEN_SECONDS: '-1',
    ASHLAR_PUBLIC_URI: 'http://localhost',
  })
})

afterAll(() => instance.remove())

test.each([['config', 'check'], ['start']])(
  'ten mistakes print ten lines and exit 78, and show no secret (%s)',
  async (...args) => {
    const { code, stdout, stderr } = await instance.command(args)
    expect(code).toBe(78)
    const lines = stderr.trim().split('\n')
    const variables = lines.map((line) => /^(ASHLAR_[A-Z_]+): ./.exec(line)?.[1])
    expect([...variables].sort()).toEqual(
      Object.keys(instance.env)
        .filter((name) => name.startsWith('ASHLAR_') && !VALID.includes(name))
        .sort(),
    )
    expect(variables).toHaveLength(10)
    expect(lines.find((line) => line.startsWith('ASHLAR_PUBLIC_URI'))).toContain('ASHLAR_PUBLIC_URL')
    expect(stdout + stderr).not.toContain(SECRET)
  },
)

test('misuse exits 2 with the usage, and every command explains itself', async () => {
  for (const args of [['dance'], ['dlq', 'juggle'], ['admin', 'create'], ['start', '--fast']]) {
    const { code, stderr } = await instance.command(args)
    expect([args, code]).toEqual([args, 2])
    expect(stderr).toMatch(/usage|--help/i)
  }
  const { code, stdout } = await instance.command(['--help'])
  expect(code).toBe(0)
  const names = 'start status migrate config db admin dlq audit ledger keys users notifications mailbox doctor'
  for (const name of names.split(' ')) {
    expect(stdout).toContain(`  ${name} `)
    const manual = await instance.command([name, '--help'])
    expect([manual.code, manual.stdout.startsWith('Usage: ashlar ')]).toEqual([0, true])
  }
})
