import { readFile } from 'node:fs/promises'
import { findRunning } from '@ashlar/platform/cluster'
import { loadConfiguration } from '../config.ts'
import { runFile } from '../main.ts'
import { answer, type Command, EXIT } from './command.ts'

type Health = { status: string; services?: Record<string, { status: string }> }

export const status: Command = {
  summary: 'say whether Ashlar runs here and how it is',
  usage: ['ashlar status [--json]'],
  about: 'Looks at the data directory and asks the running Ashlar for its health. Exit code 0: ready; 1: not.',
  run: async (io, args) => {
    const { core } = loadConfiguration(io.env)
    const holder = await findRunning(core.dataDir)
    if (holder === undefined) {
      answer(io, args, { running: false, dataDir: core.dataDir }, () => [`not running (${core.dataDir})`])
      return EXIT.notSo
    }
    const file = await readFile(runFile(core.dataDir), 'utf8').catch(() => undefined)
    const health = file === undefined ? undefined : await healthAt(JSON.parse(file) as { host: string; port: number })
    const state = health?.status ?? 'starting'
    answer(io, args, { running: true, pid: holder.pid, dataDir: core.dataDir, url: core.publicUrl, health }, () => [
      `running (pid ${holder.pid}, ${core.publicUrl}): ${state}`,
      ...Object.entries(health?.services ?? {}).map(([name, service]) => `  ${name.padEnd(14)} ${service.status}`),
    ])
    return state === 'ok' ? EXIT.done : EXIT.notSo
  },
}

const healthAt = async ({ host, port }: { host: string; port: number }): Promise<Health | undefined> => {
  const address = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  try {
    const response = await fetch(`http://${address.includes(':') ? `[${address}]` : address}:${port}/health`, {
      signal: AbortSignal.timeout(5_000),
    })
    return (await response.json()) as Health
  } catch {
    return undefined
  }
}
