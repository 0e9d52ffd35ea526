import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigurationError, loadSettings } from '@ashlar/platform/config'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authSettings } from '../settings.ts'
import { breachedFileProblem, openBreachedFile } from './breached-file.ts'
import { createCommonPasswords } from './common-passwords.ts'
import { createPasswordPolicy } from './password-policy.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ashlar-breached-'))
})
afterAll(() => rm(folder, { recursive: true }))

const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex').toUpperCase()
let files = 0
const fileOf = async (content: string): Promise<string> => {
  const path = join(folder, `list-${files++}.txt`)
  await writeFile(path, content)
  return path
}
const leaked = Array.from({ length: 5_000 }, (_, i) => `leaked-${i}`)
const sorted = leaked.map(sha1).sort()
const forms: [string, string][] = [
  ['digests alone', `${sorted.join('\n')}\n`],
  ['without a last line break', sorted.join('\n')],
  ['with counts of every length', `${sorted.map((line, i) => `${line}:${10 ** (i % 9)}`).join('\n')}\n`],
  ['with carriage returns', `${sorted.map((line) => `${line}:7`).join('\r\n')}\r\n`],
  ['in small letters', `${sorted.join('\n').toLowerCase()}\n`],
]

test.each(forms)('every line of a file %s is found, and nothing else', async (_, content) => {
  const path = await fileOf(content)
  expect(breachedFileProblem(path)).toBeUndefined()
  const file = await openBreachedFile(path)
  const found = await Promise.all(leaked.filter((_, i) => i % 7 === 0).map((password) => file.has(password)))
  expect(new Set(found)).toEqual(new Set([true]))
  // The first and the last line, where a search goes wrong first.
  for (const edge of [sorted[0], sorted.at(-1)]) {
    expect(await file.has(leaked.find((password) => sha1(password) === edge) ?? '')).toBe(true)
  }
  const others = await Promise.all(Array.from({ length: 500 }, (_, i) => file.has(`never-leaked-${i}`)))
  expect(new Set(others)).toEqual(new Set([false]))
  await file.close()
})

test('a file of one line is searched too', async () => {
  const file = await openBreachedFile(await fileOf(`${sha1('the only one')}:3`))
  expect([await file.has('the only one'), await file.has('another one')]).toEqual([true, false])
  await file.close()
})

test.each([
  ['unsorted', [...sorted].reverse().join('\n'), 'must be in the order of its digests'],
  ['of plain passwords', leaked.join('\n'), 'must hold SHA-1 digests'],
  ['of other digests', `${createHash('sha256').update('x').digest('hex')}\n`, 'must hold SHA-1 digests'],
  ['of binary zeros', '\0'.repeat(10_000), 'must hold SHA-1 digests'],
  ['without content', '', 'is empty'],
])('a file %s is a mistake of the configuration', async (_, content, problem) => {
  const ASHLAR_AUTH_BREACHED_PASSWORDS_FILE = await fileOf(content)
  const load = () =>
    loadSettings({
      groups: { auth: authSettings },
      environment: { ASHLAR_AUTH_BREACHED_PASSWORDS_FILE },
      directory: folder,
    })
  expect(load).toThrow(ConfigurationError)
  expect(load).toThrow(problem)
})

test('a file that is not there, or is none, is a mistake of the configuration', () => {
  expect(breachedFileProblem(join(folder, 'missing.txt'))).toMatch('cannot be read (ENOENT)')
  expect(breachedFileProblem(folder)).toMatch('is not a file')
})

test('kinds of characters are read from the configuration, and a misspelt one is told', () => {
  const load = (text: string | undefined) =>
    loadSettings({
      groups: { auth: authSettings },
      environment: { ASHLAR_AUTH_PASSWORD_CLASSES: text },
      directory: folder,
    }).auth.passwordClasses
  expect([load(undefined), load('upper, digit,upper')]).toEqual([[], ['upper', 'digit']])
  expect(() => load('uper')).toThrow('lower,upper,digit,symbol')
})

const person = { email: 'ada@example.test', firstName: 'Ada', lastName: 'Lovelace' }
const common = createCommonPasswords({ minLength: 8 })

test.each(['trustno1', 'TrustNo1', 'ＴＲＵＳＴＮＯ１', 'password1', '12345678'])(
  '%s is tried first',
  async (password) => {
    expect(await common.has(password)).toBe(true)
  },
)

test('long passphrases and random words are not among those that are tried first', async () => {
  const words = Array.from({ length: 2_000 }, (_, i) => sha1(`word ${i}`).slice(0, 12))
  expect((await Promise.all(words.map((word) => common.has(word)))).includes(true)).toBe(false)
})

test('all reasons are told at once, and the file is asked last', async () => {
  const asked: string[] = []
  const breached = {
    has: async (password: string) => {
      asked.push(password)
      return password === 'known from a breach'
    },
  }
  const policy = createPasswordPolicy({
    rules: { minLength: 8, maxLength: 128, classes: ['upper', 'digit'] },
    common,
    breached,
  })
  const reasons = async (password: string) => (await policy(password, person))?.reasons ?? []
  expect(await reasons('lovelace')).toEqual(['lacks_upper', 'lacks_digit', 'contains_name', 'common'])
  expect(await reasons('Trustno1')).toEqual(['common'])
  expect(asked).toEqual([])
  expect(await reasons('A quite 4cceptable one')).toEqual([])
  expect(asked).toEqual(['A quite 4cceptable one'])
  const plain = createPasswordPolicy({ rules: { minLength: 8, maxLength: 128, classes: [] }, common, breached })
  expect(await plain('known from a breach', person)).toEqual({ code: 'password_refused', reasons: ['breached'] })
})
