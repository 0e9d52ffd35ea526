import { randomInt } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'

export const HOST = '127.0.0.1'

// Below the ports that systems hand to outgoing connections, so that a restart finds its port free again.
const LOWEST = 20_000
const HIGHEST = 32_767

const fileOf = (dataDir: string): string => join(dataDir, 'postgres.port')

/** The remembered port if it is free, else a free one. `refused` are ports that looked free and were not. */
export const choosePort = async (dataDir: string, refused: ReadonlySet<number>): Promise<number> => {
  const remembered = Number(await readFile(fileOf(dataDir), 'utf8').catch(() => ''))
  if (remembered > 0 && remembered < 65_536 && !refused.has(remembered) && (await isFree(remembered))) return remembered
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(LOWEST, HIGHEST + 1)
    if (!refused.has(port) && (await isFree(port))) return port
  }
  throw new Error(`No free port between ${LOWEST} and ${HIGHEST} on ${HOST}.`)
}

export const rememberPort = (dataDir: string, port: number): Promise<void> => writeFile(fileOf(dataDir), `${port}\n`)

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: HOST, exclusive: true }, () => probe.close(() => resolve(true)))
  })
