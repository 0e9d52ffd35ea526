import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogDestination } from './destination.ts'

const module = JSON.stringify(join(import.meta.dirname, 'destination.ts'))

let folder: string
let file: string
let fd: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-log-'))
  file = join(folder, 'log')
  fd = openSync(file, 'a')
})
afterEach(() => {
  closeSync(fd)
  rmSync(folder, { recursive: true })
})
const written = (): string => readFileSync(file, 'utf8')

test('lines are held for a moment, then written by themselves and in order', async () => {
  const destination = createLogDestination(fd)
  destination.write('one\n')
  destination.write('two\n')
  expect(written()).toBe('')
  await expect.poll(written, { timeout: 500 }).toBe('one\ntwo\n')
  destination.close()
})

test('a full block does not wait', () => {
  const destination = createLogDestination(fd)
  const line = `${'ü'.repeat(999)}\n`
  for (let at = 0; at < 20; at += 1) destination.write(line)
  expect(written().length).toBeGreaterThanOrEqual(16_384)
  destination.close()
  expect(written()).toBe(line.repeat(20))
})

test('what is written after the end is written at once, and closing twice is harmless', () => {
  const destination = createLogDestination(fd)
  destination.write('one\n')
  destination.close()
  destination.close()
  destination.write('late\n')
  expect(written()).toBe('one\nlate\n')
})

test('it leaves no listener behind', () => {
  const before = process.listenerCount('exit')
  createLogDestination(fd).close()
  expect(process.listenerCount('exit')).toBe(before)
})

test.each([
  ['the end of the program', ''],
  ['process.exit', 'process.exit(0)'],
  ['an uncaught error', 'throw new Error("planned")'],
])('%s writes what is held', (_, end) => {
  const script = `const { createLogDestination } = await import(${module})
    const destination = createLogDestination(1)
    for (let at = 0; at < 1000; at += 1) destination.write(at + '\\n')
    ${end}`
  let output = ''
  try {
    output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' }).toString()
  } catch (error) {
    output = String((error as { stdout: Buffer }).stdout)
  }
  expect(output).toBe(Array.from({ length: 1000 }, (_line, at) => `${at}\n`).join(''))
})

test('a reader that is slow gets every line of a pipe that is full', async () => {
  const script = `const { createLogDestination } = await import(${module})
    const destination = createLogDestination(1)
    const line = 'x'.repeat(999) + '\\n'
    for (let at = 0; at < 1000; at += 1) destination.write(line)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let bytes = 0
  await new Promise((resolve) => setTimeout(resolve, 300))
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  await once(child, 'close')
  expect(bytes).toBe(1_000_000)
})
