import { startCluster } from './index.ts'

/** Run by tests as a process of its own: starts a cluster, says so in one line of JSON, and stays until it is killed. */
const silent = { info: () => {}, warn: () => {}, error: () => {} }

try {
  const options = JSON.parse(process.argv[2] ?? '{}')
  const cluster = await startCluster({
    adminPassword: 'secret',
    databases: [],
    roles: [],
    durable: false,
    log: silent,
    ...options,
  })
  console.log(JSON.stringify({ pid: cluster.pid, port: cluster.port, url: cluster.url('postgres') }))
  const stop = (): void => void cluster.stop().then(() => process.exit(0))
  process.once('SIGTERM', stop)
  if (process.argv[3] === 'once') stop()
} catch (error) {
  const { name, message } = error as Error
  console.log(JSON.stringify({ error: name, message }))
  process.exit(1)
}
