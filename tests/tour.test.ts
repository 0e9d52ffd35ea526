import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Instance, root } from './support/instance.ts'
import { blocksOf, runBlocks } from './support/walk.ts'

const run = promisify(execFile)
const tour = join(root, 'apps/server/src/tour.ts')

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

test("the README's own code blocks run to the letter", { timeout: 120_000 }, async () => {
  const instance = await Instance.create()
  const blocks = blocksOf(await readFile(join(root, 'README.md'), 'utf8'))
  const [start, ...rest] = blocks.filter((block) => !block.includes('npm test'))
  expect(start).toBe('npm ci && npm start\n')
  await instance.start()
  const { code, stdout, stderr } = await runBlocks(instance, rest)
  expect([code, stderr]).toEqual([0, stderr])
  expect(stdout).toContain('"completed"')
  expect(stdout).toContain('the trail is whole')
  await instance.remove()
})
