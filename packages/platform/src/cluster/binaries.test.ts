import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { complete, copyBinaries, findBinaries } from './binaries.ts'
import { copyTree } from './copy.ts'
import { scratch } from './scenario.fixture.ts'

const { dir, clean } = scratch()
afterAll(clean)

const versionOf = (folder: string): string =>
  execFileSync(join(folder, 'bin', 'postgres'), ['--version'], { encoding: 'utf8' })

test('links that an install script did not make are made, and the program runs', async () => {
  const root = await dir()
  const { folder, version } = await findBinaries(root)
  const native = join(root, 'native')
  await copyTree(folder, native, {})
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { target } of links) rmSync(join(root, target))
  chmodSync(join(native, 'bin', 'postgres'), 0o644)
  await complete(native)
  expect(versionOf(native)).toMatch(/^postgres \(PostgreSQL\) 18\./)
  for (const { source, target } of links) expect(source.endsWith(readlinkSync(join(root, target)))).toBe(true)

  for (const { target } of links) rmSync(join(root, target))
  mkdirSync(join(root, 'home', `native-${version}.new`), { recursive: true })
  const copy = await copyBinaries({ folder: native, version }, join(root, 'home'))
  expect(versionOf(copy.folder)).toMatch(/18\./)
  expect(readdirSync(join(root, 'home'))).toEqual([`native-${version}`])
  writeFileSync(join(copy.folder, 'marker'), '')
  await copyBinaries({ folder: native, version }, join(root, 'home'))
  expect(readdirSync(copy.folder)).toContain('marker')
})
