import { randomBytes } from 'node:crypto'
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DataDirInUse } from './errors.ts'
import { identify, isAlive } from './identity.ts'

export type DataDirLock = { release(): Promise<void> }
export type DataDirHolder = { pid: number; token: string; since: string }

/**
 * One process per data directory. The lock is the highest number in `<dataDir>/lock`, and it counts only while the
 * process named in it lives (pid and start time, so neither a stale file nor a recycled pid ever blocks).
 * Taking it over is making the next number, which `link` gives to one contender alone and with its content
 * complete. Lower numbers are removed by whoever holds a higher one.
 */
export const lockDataDir = async (dataDir: string): Promise<DataDirLock> => {
  const folder = join(dataDir, 'lock')
  await mkdir(folder, { recursive: true })
  const self = await identify(process.pid)
  if (self === undefined) throw new Error('This process cannot be identified: neither /proc nor ps answers.')

  const holder: DataDirHolder = { pid: self.pid, token: self.token, since: new Date().toISOString() }
  const draft = join(folder, `draft-${randomBytes(8).toString('hex')}`)
  await writeFile(draft, `${JSON.stringify(holder)}\n`, { mode: 0o644 })
  try {
    for (;;) {
      const numbers = await numbersIn(folder)
      const top = numbers.at(-1) ?? 0
      const current = await holderOf(folder, top)
      if (current) throw new DataDirInUse(dataDir, current.pid)

      const mine = join(folder, String(top + 1))
      const won = await link(draft, mine).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') return false
          throw error
        },
      )
      if (!won) continue
      // Another contender may have gone further and cleaned up between our look and our link.
      const higher = (await numbersIn(folder)).at(-1) ?? 0
      if (higher > top + 1) {
        await rm(mine, { force: true })
        continue
      }
      await Promise.all(numbers.map((number) => rm(join(folder, String(number)), { force: true })))
      return { release: () => rm(mine, { force: true }) }
    }
  } finally {
    await rm(draft, { force: true })
  }
}

/** Who holds the lock of this data directory now. */
export const findRunning = async (dataDir: string): Promise<DataDirHolder | undefined> => {
  const folder = join(dataDir, 'lock')
  return holderOf(folder, (await numbersIn(folder)).at(-1) ?? 0)
}

const numbersIn = async (folder: string): Promise<number[]> => {
  const names = await readdir(folder).catch(() => [])
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
}

const holderOf = async (folder: string, number: number): Promise<DataDirHolder | undefined> => {
  const text = await readFile(join(folder, String(number)), 'utf8').catch(() => '')
  try {
    const holder = JSON.parse(text) as DataDirHolder
    return (await isAlive(holder)) ? holder : undefined
  } catch {
    // Unreadable only after a power cut, which its holder did not survive either.
    return undefined
  }
}
