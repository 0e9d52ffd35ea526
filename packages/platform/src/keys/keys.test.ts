import { createSecretKey } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { createKeyring, loadMasterKey, openWith, sealWith } from './index.ts'

const keyring = createKeyring({ masterKey: Buffer.alloc(32, 3) })
const place = { table: 'factors', column: 'secret', row: 'r1' }

test('what was sealed opens again, with its version in front', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), fc.string(), (bytes, column, row) => {
      const bound = { table: 't', column, row }
      const sealed = keyring.seal('test', Buffer.from(bytes), bound)
      expect(sealed[0]).toBe(1)
      expect(sealed.length).toBe(1 + 12 + bytes.length + 16)
      expect(keyring.open('test', sealed, bound)).toEqual(Buffer.from(bytes))
    }),
  )
})

test('it opens in no other place, for no other purpose, with no other master key', () => {
  const sealed = keyring.seal('test', 'secret', place)
  for (const other of [
    { ...place, row: 'r2' },
    { ...place, column: 'other' },
    { ...place, table: 'other' },
    // The same letters, cut at another place.
    { table: 'factorss', column: 'ecret', row: 'r1' },
  ]) {
    expect(() => keyring.open('test', sealed, other)).toThrow()
  }
  expect(() => keyring.open('other', sealed, place)).toThrow()
  expect(() => createKeyring({ masterKey: Buffer.alloc(32, 4) }).open('test', sealed, place)).toThrow()
})

test('every changed bit is found out', () => {
  const sealed = keyring.seal('test', 'secret', place)
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const changed = Buffer.from(sealed)
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    expect(() => keyring.open('test', changed, place)).toThrow()
  }
  expect(() => keyring.open('test', sealed.subarray(0, 20), place)).toThrow('cut short')
})

test('two seals of one text differ', () => {
  expect(keyring.seal('test', 'x', place)).not.toEqual(keyring.seal('test', 'x', place))
})

test('a key that is no purpose seals and opens by itself', () => {
  const key = Buffer.alloc(32, 9)
  expect(openWith(key, sealWith(key, 'text', place), place).toString()).toBe('text')
  expect(() => openWith(Buffer.alloc(32, 8), sealWith(key, 'text', place), place)).toThrow()
  const object = createSecretKey(key)
  expect(openWith(key, sealWith(object, 'text', place), place).toString()).toBe('text')
  expect(openWith(object, sealWith(key, 'text', place), place).toString()).toBe('text')
})

test('derived keys are stable, differ by purpose and version, and a caller may wipe its copy', () => {
  const key = keyring.derive('a')
  expect(key).toHaveLength(32)
  expect(keyring.derive('b')).not.toEqual(key)
  expect(keyring.derive('a', 2)).not.toEqual(key)
  const before = Buffer.from(key)
  key.fill(0)
  expect(keyring.derive('a')).toEqual(before)
  expect(createKeyring({ masterKey: Buffer.alloc(32, 3) }).derive('a')).toEqual(before)
})

test('a keyed hash differs by purpose and cannot be confused with a derived key', () => {
  expect(keyring.hash('a', 'x')).toMatch(/^[0-9a-f]{64}$/)
  expect(keyring.hash('a', 'x')).toBe(keyring.hash('a', 'x'))
  expect(keyring.hash('b', 'x')).not.toBe(keyring.hash('a', 'x'))
})

const folders: string[] = []
const dataDir = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ashlar-keys-'))
  folders.push(folder)
  return folder
}
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

test('the master key is made once, for its owner alone; many starts at once agree on it', async () => {
  const dir = await dataDir()
  const loaded = await Promise.all(Array.from({ length: 20 }, () => loadMasterKey({ dataDir: dir })))
  expect(new Set(loaded.map((key) => key.toString('hex'))).size).toBe(1)
  expect((await stat(join(dir, 'keys', 'master'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(dir, 'keys'))).mode & 0o777).toBe(0o700)
  expect(await readdir(join(dir, 'keys'))).toEqual(['master'])
  expect(await loadMasterKey({ dataDir: dir })).toEqual(loaded[0])
})

test('a damaged key file is refused and left as it is', async () => {
  const dir = await dataDir()
  await loadMasterKey({ dataDir: dir })
  await writeFile(join(dir, 'keys', 'master'), 'short')
  await expect(loadMasterKey({ dataDir: dir })).rejects.toThrow('32 bytes')
  expect(await readFile(join(dir, 'keys', 'master'), 'utf8')).toBe('short')
})

test('a variable wins over the file, in hex or base64, and a wrong one is not shown', async () => {
  const key = Buffer.alloc(32, 5)
  const dir = await dataDir()
  expect(await loadMasterKey({ dataDir: dir, variable: key.toString('hex') })).toEqual(key)
  expect(await loadMasterKey({ dataDir: dir, variable: ` ${key.toString('base64')}\n` })).toEqual(key)
  expect(await readdir(dir)).toEqual([])
  const refused = await loadMasterKey({ dataDir: dir, variable: 'hunter2hunter2' }).catch(
    (error: Error) => error.message,
  )
  expect(refused).toContain('32 bytes')
  expect(refused).not.toContain('hunter2')
})
