import { expect, test } from 'vitest'
import { isWeakerThanOwn, nameOfKind, readPasswordHash } from './password-hash.ts'

const BODY = 'abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232'
const argon = (parameters: string, salt = 'c29tZXNhbHQ') => `$argon2id$v=19$${parameters}$${salt}$${'A'.repeat(42)}A`

test.each([
  [`$2a$04$${BODY}`, 'bcrypt/4', '$2a$04$', true],
  [`$2b$10$${BODY}`, 'bcrypt/10', '$2b$10$', true],
  [`$2y$12$${BODY}`, 'bcrypt/12', '$2y$12$', true],
  [argon('m=19456,t=2,p=1'), 'argon2id/19456/2/1', '$argon2id$v=19$m=19456,t=2,p=1$', false],
  [argon('m=4096,t=3,p=1'), 'argon2id/4096/3/1', '$argon2id$v=19$m=4096,t=3,p=1$', true],
  [argon('m=65536,t=4,p=4'), 'argon2id/65536/4/4', '$argon2id$v=19$m=65536,t=4,p=4$', false],
])('%s is of kind %s', (text, name, prefix, weaker) => {
  const read = readPasswordHash(text)
  expect(read).toMatchObject({ ok: true, value: { prefix } })
  if (!read.ok) return
  expect(nameOfKind(read.value.kind)).toBe(name)
  expect(isWeakerThanOwn(read.value.kind)).toBe(weaker)
})

test.each([
  `$2b$13$${BODY}`,
  `$2b$31$${BODY}`,
  `$2b$99$${BODY}`,
  argon('m=262144,t=1,p=1'),
  argon('m=131072,t=3,p=1'),
  argon('m=8,t=4294967295,p=1'),
  argon('m=19456,t=2,p=17'),
])('%s costs too much to be looked at', (text) => {
  expect(readPasswordHash(text)).toEqual({ ok: false, error: 'hash_too_costly' })
})

test.each([
  '',
  'plain text',
  `$2b$03$${BODY}`,
  `$2b$+4$${BODY}`,
  `$2b$4$${BODY}`,
  `$2x$10$${BODY}`,
  `$2$10$${BODY}`,
  `$2b$10$${BODY}0`,
  `$2b$10$${BODY.slice(1)}`,
  `$2b$10$${BODY}\n`,
  ` $2b$10$${BODY}`,
  `$2b$10$${BODY.slice(1)}!`,
  `$2b$10$${BODY.slice(0, -1)}3`,
  `$2b$10$${BODY.replace('uu', 'uv')}`,
  argon('m=19456,t=2,p=1').replace('argon2id', 'argon2i'),
  argon('m=19456,t=2,p=1').replace('v=19', 'v=16'),
  argon('m=019456,t=2,p=1'),
  argon('m=19456,t=0,p=1'),
  argon('m=8,t=2,p=2'),
  argon('m=19456,t=2,p=1', 'c29tZXNhbHQ='),
  // A length that base64 never has, and bits behind the last byte.
  argon('m=19456,t=2,p=1', 'c29tZXNhbHQxM'),
  argon('m=19456,t=2,p=1', 'c29tZXNhbHR'),
])('%j is no hash', (text) => {
  expect(readPasswordHash(text)).toEqual({ ok: false, error: 'hash_malformed' })
})
