import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  ConfigurationError,
  completeCore,
  configurationReference,
  coreSettings,
  defineSettings,
  envExample,
  loadSettings,
} from './index.ts'
import { editDistance } from './suggest.ts'

const directory = mkdtempSync(join(tmpdir(), 'ashlar-config-'))
afterAll(() => rmSync(directory, { recursive: true }))

const SECRET = 'Zwiebelkuchen-4711'

const shop = defineSettings('shop', {
  name: { variable: 'ASHLAR_SHOP_NAME', schema: z.string().max(10).default('corner'), description: 'Its name.' },
  open: {
    variable: 'ASHLAR_SHOP_OPEN',
    schema: z
      .enum(['true', 'false'])
      .default('true')
      .transform((t) => t === 'true'),
    description: 'a | b',
  },
  hours: { variable: 'ASHLAR_SHOP_HOURS', schema: z.coerce.number().int().min(1).default(8), description: 'Hours.' },
  pin: {
    variable: 'ASHLAR_SHOP_PIN',
    schema: z.string().refine((text) => text.length >= 12, { error: (issue) => `${String(issue.input)} is too short` }),
    description: 'Opens the till.',
    secret: true,
    production: (value) => (value.startsWith('example') ? `${value} is an example` : undefined),
    example: 'example-pin-1234',
  },
})

const load = (environment: Record<string, string>, where = directory) =>
  loadSettings({ groups: { core: coreSettings, shop }, environment, directory: where })
const linesOf = (environment: Record<string, string>, where?: string): readonly string[] => {
  try {
    load(environment, where)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.lines
    throw error
  }
  return []
}
const PIN = { ASHLAR_SHOP_PIN: 'a-long-enough-pin' }

describe('mistakes', () => {
  test('ten of them are ten lines, and no secret is among them', () => {
    const lines = linesOf({
      ASHLAR_ENV: 'prod',
      ASHLAR_PORT: 'ninety',
      ASHLAR_LOG_LEVEL: 'loud\nASHLAR_FORGED: line',
      ASHLAR_PUBLIC_URL: 'example.com',
      ASHLAR_MASTER_KEY: SECRET,
      ASHLAR_AUTH_DATABASE_URL: `mysql://u:${SECRET}@h/db`,
      ASHLAR_INSTALLATION: 'Not A Name',
      ASHLAR_SHOP_HOURS: '0',
      ASHLAR_SHOP_PIN: SECRET.slice(0, 11),
      ASHLAR_SHOP_NMAE: SECRET,
    })
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      'ASHLAR_ENV',
      'ASHLAR_PORT',
      'ASHLAR_PUBLIC_URL',
      'ASHLAR_LOG_LEVEL',
      'ASHLAR_INSTALLATION',
      'ASHLAR_MASTER_KEY',
      'ASHLAR_AUTH_DATABASE_URL',
      'ASHLAR_SHOP_HOURS',
      'ASHLAR_SHOP_PIN',
      'ASHLAR_SHOP_NMAE',
    ])
    expect(lines.join('\n').split('\n')).toHaveLength(10)
    expect(lines.join('\n')).not.toContain('Zwiebel')
    expect(lines.at(-1)).toContain('did you mean ASHLAR_SHOP_NAME?')
    expect(lines[0]).toBe('ASHLAR_ENV: must be development, test or production (is "prod")')
  })

  test('what is required is said to be', () => {
    expect(linesOf({})).toEqual(['ASHLAR_SHOP_PIN: is required'])
    expect(linesOf({ ASHLAR_SHOP_PIN: '' })).toEqual(['ASHLAR_SHOP_PIN: is required'])
  })

  test.each([
    ['ASHLAR_PORT', 'tcp://10.0.0.1:3000'],
    ['ASHLAR_SERVICE_HOST', '10.0.0.1'],
    ['ASHLAR_PORT_3000_TCP_ADDR', '10.0.0.1'],
    ['ASHLAR_PAYMENTS_SERVICE_PORT_HTTP', '3002'],
    ['ASHLAR_PAYMENTS_PORT', 'tcp://10.0.0.1:3002'],
  ])('%s=%s is told from a slip: a Kubernetes service link', (name, value) => {
    expect(linesOf({ ...PIN, [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${name}: .*enableServiceLinks: false`)),
    ])
  })

  test('production refuses examples, weak secrets and development parts, without showing them', () => {
    const lines = linesOf({
      ASHLAR_ENV: 'production',
      ASHLAR_SHOP_PIN: 'example-pin-1234',
      ASHLAR_MASTER_KEY: Buffer.alloc(32, 'ab').toString('base64'),
      ASHLAR_AUTH_DATABASE_URL: 'postgres://ashlar:changeme@db/ashlar',
      ASHLAR_PUBLIC_URL: 'http://shop.example',
    })
    expect(lines).toHaveLength(4)
    expect(lines.every((line) => line.includes('cannot be used in production'))).toBe(true)
    expect(lines.join()).not.toMatch(/example-pin|changeme/)
    expect(linesOf({ ASHLAR_SHOP_PIN: 'example-pin-1234' })).toEqual([])
  })

  test('one variable in two settings is a mistake of the program', () => {
    const twice = defineSettings('twice', { port: { variable: 'ASHLAR_PORT', schema: z.string(), description: 'x' } })
    expect(() => loadSettings({ groups: { core: coreSettings, twice }, environment: {}, directory })).toThrow(
      /defined twice/,
    )
  })
})

describe('where values come from', () => {
  const at = (name: string, content: string): string => {
    const folder = mkdtempSync(join(directory, 'at-'))
    writeFileSync(join(folder, name), content)
    return folder
  }

  test('environment over ASHLAR_CONFIG over .env over defaults', () => {
    const folder = at('.env', 'ASHLAR_SHOP_NAME=dotenv\nASHLAR_SHOP_HOURS=3\nOTHER=ignored\nASHLAR_PORT=1\n')
    writeFileSync(join(folder, 'ashlar.conf'), '# a comment\nASHLAR_SHOP_HOURS="4"\nexport ASHLAR_PORT=\'2\'\n')
    const { core, shop: values } = load({ ...PIN, ASHLAR_CONFIG: 'ashlar.conf', ASHLAR_PORT: '5' }, folder)
    expect([values.name, values.hours, core.port, values.open]).toEqual(['dotenv', 4, 5, true])
  })

  test('.env is read in development only and cannot choose the environment', () => {
    const folder = at('.env', 'ASHLAR_SHOP_NAME=dotenv\n')
    expect(load({ ...PIN, ASHLAR_ENV: 'test' }, folder).shop.name).toBe('corner')
    expect(linesOf(PIN, at('.env', 'ASHLAR_ENV=production\n'))).toEqual([
      expect.stringMatching(/^ASHLAR_ENV: cannot be set in \.env/),
    ])
  })

  test('a file that was asked for must exist and hold our names only', () => {
    expect(linesOf({ ...PIN, ASHLAR_CONFIG: 'missing.conf' })).toEqual([
      expect.stringMatching(/^ASHLAR_CONFIG: cannot read .*ENOENT/),
    ])
    const folder = at('c', 'PATH=/bin\nnonsense\n')
    expect(linesOf({ ...PIN, ASHLAR_CONFIG: 'c' }, folder)).toEqual([
      expect.stringMatching(/^PATH: is not a setting/),
      expect.stringMatching(/^ASHLAR_CONFIG: line 2 /),
    ])
  })

  test('secrets come from files too, never from both, and only secrets', () => {
    const folder = at('pin', 'a-long-enough-pin\n')
    const file = join(folder, 'pin')
    expect(load({ ASHLAR_SHOP_PIN_FILE: file }).shop.pin).toBe('a-long-enough-pin')
    expect(linesOf({ ...PIN, ASHLAR_SHOP_PIN_FILE: file })).toEqual([expect.stringContaining('is set twice')])
    expect(linesOf({ ASHLAR_SHOP_PIN_FILE: join(folder, 'no') })).toEqual([expect.stringContaining('ENOENT')])
    expect(linesOf({ ...PIN, ASHLAR_SHOP_NAME_FILE: file })).toEqual([
      expect.stringMatching(/^ASHLAR_SHOP_NAME_FILE: is not a setting/),
    ])
  })

  test('defaults that follow from others', () => {
    const local = completeCore(load({ ...PIN, ASHLAR_PORT: '4000' }).core)
    expect([local.host, local.publicUrl]).toEqual(['127.0.0.1', 'http://localhost:4000'])
    expect(
      completeCore(load({ ...PIN, ASHLAR_ENV: 'production', ASHLAR_PUBLIC_URL: 'https://a.example/' }).core),
    ).toMatchObject({
      host: '0.0.0.0',
      publicUrl: 'https://a.example',
    })
  })
})

describe('documents', () => {
  test('the reference names every variable once, with its default', () => {
    const text = configurationReference([coreSettings, shop])
    expect(text).toContain('| `ASHLAR_SHOP_OPEN` | `true` | a \\| b |')
    expect(text).toContain('| `ASHLAR_SHOP_PIN` | required | Opens the till. Secret. Checked in production. |')
    expect(text).toContain('| `ASHLAR_PORT` | `3000` |')
    expect(text).toContain('| `ASHLAR_DATA_DIR` | `./.ashlar` |')
  })

  test('.env.example is a file that loads as it is, and with every line switched on', () => {
    const text = envExample([coreSettings, shop])
    const folder = mkdtempSync(join(directory, 'example-'))
    writeFileSync(join(folder, '.env'), text)
    expect(linesOf(PIN, folder)).toEqual([])
    writeFileSync(join(folder, '.env'), text.replaceAll(/^#(ASHLAR_)/gm, '$1'))
    expect(linesOf({}, folder)).toEqual([])
  })
})

test('the distance counts a swap as one edit', () => {
  expect(editDistance('NMAE', 'NAME')).toBe(1)
  expect(editDistance('', 'abc')).toBe(3)
  expect(editDistance('same', 'same')).toBe(0)
})
