import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigurationError } from '../config/index.ts'
import { eventually } from '../testing/index.ts'
import { createLogDestination, createLogger, openLogFiles } from './index.ts'
import { createLogFile, type LogFileOptions } from './log-file.ts'

let root: string
let folder: string
let fd: number
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-logs-'))
  folder = join(root, 'var', 'logs')
  fd = openSync(join(root, 'stdout'), 'a')
})
afterEach(() => {
  closeSync(fd)
  rmSync(root, { recursive: true })
})

const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const stdout = (): string => readFileSync(join(root, 'stdout'), 'utf8')
const messages = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { message: unknown }).message)

describe('all files together', () => {
  test('every line is in standard output and combined.log, errors and warnings in error.log too', async () => {
    const logs = await openLogFiles(createLogDestination(fd), { folder, days: 30 })
    const logger = createLogger({ service: 'auth-service', level: 'debug', destination: logs })
    logger.debug('one')
    logger.info({ name: '{"level":"error"' }, 'two')
    logger.warn('three')
    logger.child({ name: 'x' }).error('four')
    await logs.close()
    expect(messages(read('combined.log'))).toEqual(['one', 'two', 'three', 'four'])
    expect(messages(read('error.log'))).toEqual(['three', 'four'])
    expect(stdout()).toBe(read('combined.log'))
    for (const file of ['combined.log', 'error.log']) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
  })

  test('without a folder there is standard output alone', async () => {
    const logs = await openLogFiles(createLogDestination(fd), { folder: undefined, days: 30 })
    logs.write('line\n')
    await logs.close()
    expect(stdout()).toBe('line\n')
    expect(readdirSync(root)).toEqual(['stdout'])
  })

  test('what an earlier start wrote stays', async () => {
    for (const line of ['one\n', 'two\n']) {
      const logs = await openLogFiles(createLogDestination(fd), { folder, days: 30 })
      logs.write(line)
      await logs.close()
    }
    expect(read('combined.log')).toBe('one\ntwo\n')
  })

  test('a folder that cannot be one, or a file that is a folder, is a mistake in the configuration', async () => {
    const refusal = (at: string) => openLogFiles(createLogDestination(fd), { folder: at, days: 30 })
    await expect(refusal(join(root, 'stdout', 'logs'))).rejects.toThrow(ConfigurationError)
    await expect(refusal(join(root, 'stdout', 'logs'))).rejects.toThrow(/ASHLAR_LOG_DIR.*ENOTDIR/)
    mkdirSync(join(folder, 'error.log'), { recursive: true })
    await expect(refusal(folder)).rejects.toThrow(/ASHLAR_LOG_DIR.*EISDIR/)
  })

  test('a file that takes nothing is told of once in standard output, and nothing else stops', async () => {
    mkdirSync(folder, { recursive: true })
    symlinkSync('/dev/full', join(folder, 'combined.log'))
    const logs = await openLogFiles(createLogDestination(fd), { folder, days: 30 })
    const logger = createLogger({ service: 'auth-service', destination: logs })
    for (let n = 0; n < 100; n += 1) {
      logger.error(`line ${n}`)
      if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await logs.close()
    const told = stdout()
      .split('\n')
      .filter((line) => line.includes('cannot be written'))
    expect(told).toHaveLength(1)
    expect(JSON.parse(told[0] ?? '')).toMatchObject({ level: 'error', file: join(folder, 'combined.log') })
    expect(messages(stdout())).toHaveLength(101)
    expect(messages(read('error.log'))).toHaveLength(100)
  })

  test.each([
    ['process.exit', 'process.exit(3)'],
    ['an uncaught error', 'throw new Error("planned")'],
  ])('%s writes what is held', (_, end) => {
    const script = `const { createLogDestination, openLogFiles } = await import(${JSON.stringify(join(import.meta.dirname, 'index.ts'))})
      const logs = await openLogFiles(createLogDestination(1), { folder: ${JSON.stringify(folder)}, days: 30 })
      for (let at = 0; at < 1000; at += 1) logs.write('{"level":"error","at":' + at + '}\\n')
      ${end}`
    expect(() => execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' })).toThrow()
    const lines = Array.from({ length: 1000 }, (_line, at) => `{"level":"error","at":${at}}\n`).join('')
    expect(read('combined.log')).toBe(lines)
    expect(read('error.log')).toBe(lines)
  })
})

describe('one file', () => {
  const failures: unknown[] = []
  const open = (more: Partial<LogFileOptions> = {}) =>
    createLogFile({ folder, name: 'combined', days: 30, onFailure: (_file, error) => failures.push(error), ...more })
  beforeEach(() => {
    failures.length = 0
    mkdirSync(folder, { recursive: true })
  })

  test('is put aside at midnight UTC, under the name of the day that is over', async () => {
    const midnight = Date.UTC(2026, 0, 31) + 86_400_000
    const began = performance.now()
    const file = open({ now: () => new Date(midnight - 300 + (performance.now() - began)) })
    file.write('old\n')
    await eventually(() => expect(read('combined.log')).toBe('old\n'))
    await eventually(() => expect(existsSync(join(folder, 'combined-2026-01-31.log'))).toBe(true))
    file.write('new\n')
    await file.close()
    expect(read('combined-2026-01-31.log')).toBe('old\n')
    expect(read('combined.log')).toBe('new\n')
    expect(statSync(join(folder, 'combined.log')).mode & 0o777).toBe(0o600)
    expect(failures).toEqual([])
  })

  test('of an earlier day is put aside by the first line of a later start, and never over another', async () => {
    writeFileSync(join(folder, 'combined.log'), 'old\n', { mode: 0o600 })
    writeFileSync(join(folder, 'combined-2026-01-30.log'), 'older\n', { mode: 0o600 })
    utimesSync(join(folder, 'combined.log'), new Date('2026-01-30T22:00:00Z'), new Date('2026-01-30T22:00:00Z'))
    const file = open({ now: () => new Date('2026-02-02T12:00:00Z') })
    file.write('new\n')
    await file.close()
    expect(readdirSync(folder).sort()).toEqual(['combined-2026-01-30.2.log', 'combined-2026-01-30.log', 'combined.log'])
    expect([read('combined-2026-01-30.2.log'), read('combined.log')]).toEqual(['old\n', 'new\n'])
  })

  test('leaves the days that are kept, and everything that is not its own', async () => {
    const kept = ['combined-2026-03-01.log', 'combined-2026-01-30.log', 'error-2020-01-01.log', 'combined-notes.log']
    const gone = ['combined-2026-01-29.log', 'combined-2026-01-29.2.log', 'combined-2020-12-31.log']
    for (const name of [...kept, ...gone]) writeFileSync(join(folder, name), '')
    const file = open({ now: () => new Date('2026-03-01T12:00:00Z') })
    await eventually(() => expect(readdirSync(folder).sort()).toEqual(kept.sort()))
    await file.close()
  })

  test('goes on when its disk takes lines again, with what was kept meanwhile', async () => {
    symlinkSync('/dev/full', join(folder, 'combined.log'))
    const file = open({ retryMs: 20 })
    file.write('one\n')
    await eventually(() => expect(failures).toHaveLength(1))
    file.write('two\n')
    await new Promise((resolve) => setTimeout(resolve, 100))
    unlinkSync(join(folder, 'combined.log'))
    await eventually(() => expect(existsSync(join(folder, 'combined.log')) && read('combined.log')).toBe('one\ntwo\n'))
    await file.close()
    expect(failures).toHaveLength(1)
  })

  test('holds no more than it may while its disk takes nothing', async () => {
    symlinkSync('/dev/full', join(folder, 'combined.log'))
    const file = open({ retryMs: 60_000 })
    file.write('first\n')
    await eventually(() => expect(failures).toHaveLength(1))
    const line = `${'x'.repeat(1_023)}\n`
    for (let n = 0; n < 8_192; n += 1) file.write(line)
    unlinkSync(join(folder, 'combined.log'))
    await file.close()
    expect(statSync(join(folder, 'combined.log')).size).toBeLessThanOrEqual(4 * 1024 * 1024 + 2_048)
  })

  test('leaves no listener behind, and closing twice is harmless', async () => {
    const before = process.listenerCount('exit')
    const file = open()
    file.write('one\n')
    await Promise.all([file.close(), file.close()])
    file.write('late\n')
    expect(process.listenerCount('exit')).toBe(before)
    expect(read('combined.log')).toBe('one\n')
  })
})
