import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mutableModuleState } from './module-state.ts'
import { pathOf } from './path.ts'

const root = join(import.meta.dirname, '../..')
const planted = 'tests/architecture/planted'

type Violation = { rule: string; from: string }

const cruise = (...folders: string[]): Violation[] => {
  const bin = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const child = spawnSync(
    process.execPath,
    [bin, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', ...folders],
    { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  )
  const report = JSON.parse(child.stdout) as { summary: { violations: { rule: { name: string }; from: string }[] } }
  return report.summary.violations.map(({ rule, from }) => ({ rule: rule.name, from }))
}

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.includes('node_modules'))
    .map((file) => join(folder, file))

const program = ['packages', 'services', 'apps'].flatMap(sources).filter((file) => !/\.test\.ts$|\/test\//.test(file))

test('the sources keep every import rule', { timeout: 60_000 }, () => {
  expect(cruise('packages', 'services', 'apps')).toEqual([])
})

test('each import rule catches the violation that is planted for it', { timeout: 60_000 }, async () => {
  const config = (await import(join(root, '.dependency-cruiser.mjs'))) as {
    default: { forbidden: { name: string }[] }
  }
  const rules = config.default.forbidden.map(({ name }) => name).sort()
  const expected = sources(planted).flatMap((file) => {
    const rule = /^\/\/ Planted: ([a-z-]+)$/m.exec(readFileSync(join(root, file), 'utf8'))?.[1]
    return rule === undefined || !rules.includes(rule) ? [] : [{ rule, from: file }]
  })
  expect([...new Set(expected.map(({ rule }) => rule))].sort()).toEqual(rules)

  const caught = cruise(planted)
  for (const violation of expected) expect(caught).toContainEqual(violation)
})

test('nothing mutable lives at module level', () => {
  expect(program.flatMap((file) => mutableModuleState(file, readFileSync(join(root, file), 'utf8')))).toEqual([])
})

test('the rule against module-level state catches the planted map and counter', () => {
  const file = `${planted}/services/payments/src/state.ts`
  expect(mutableModuleState(file, readFileSync(join(root, file), 'utf8'))).toEqual([
    `${file}:2 seen`,
    `${file}:3 counter`,
  ])
})

/** Where a domain asks the world for time or chance instead of being given them. */
const impure = (file: string): boolean =>
  /\b(?:Date\.now|new Date\(\)|Math\.random|random(?:Bytes|UUID|Int)|process\.|performance\.)/.test(
    readFileSync(join(root, file), 'utf8').replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, ''),
  )

test('a domain takes time and chance as values, and the planted one that does not is caught', () => {
  expect(program.filter((file) => file.includes('/src/domain/')).filter(impure)).toEqual([])
  expect(impure(`${planted}/services/payments/src/domain/dice.ts`)).toBe(true)
})

test('package exports shut every file of a service but its door and its contract', () => {
  const { resolve } = createRequire(join(root, 'apps/server/src/cli.ts'))
  for (const service of readdirSync(join(root, 'services'))) {
    expect(resolve(`@ashlar/${service}`)).toMatch(/src\/index\.ts$/)
    expect(resolve(`@ashlar/${service}/contract`)).toMatch(/src\/contract\.ts$/)
    for (const inside of ['src/index.ts', 'src/domain/account.ts', 'package.json']) {
      expect(() => resolve(`@ashlar/${service}/${inside}`)).toThrow(/not (?:defined|exported)/)
    }
  }
})

test('a refresh passes at most five files from HTTP to SQL', () => {
  const files = pathOf('auth', 'refresh')
  expect(files[0]).toBe('services/auth/src/contract.ts')
  expect(files.at(-1)).toMatch(/infrastructure\/postgres\//)
  expect(files.length).toBeLessThanOrEqual(5)
})
