/**
 * `npm run bench [-- --markdown <file>]`: measures Ashlar beside its peers and limits on this machine, and prints a
 * table, or writes it into a file as well.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, release, type as systemType, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { auditLagFigure, backlogFigure } from './figures/audit.ts'
import { consumerFigure } from './figures/events.ts'
import { loginFigure } from './figures/login.ts'
import { idleFigure, restedFigure, startFigures } from './figures/process.ts'
import { validateFigures } from './figures/validate.ts'
import { createPaymentFigure, refreshFigure } from './figures/writes.ts'
import { nginxVersion, startNginx } from './peers/nginx.ts'
import { freePort, Served } from './processes.ts'
import { type Figure, report } from './table.ts'

const undo: (() => Promise<unknown>)[] = []
const missing: string[] = []
const { markdown } = parseArgs({ options: { markdown: { type: 'string' } } }).values
const versions: Record<string, string | undefined> = { Node: process.version.slice(1), nginx: nginxVersion() }

const versionOf = async (name: string): Promise<string> => {
  const file = join(import.meta.dirname, '../node_modules', name, 'package.json')
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version
}
const note = (text: string): void => void process.stderr.write(`${text}\n`)

const connect = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  undo.push(() => client.end())
  return client
}

const startPeer = async (folder: string, env: NodeJS.ProcessEnv): Promise<Served> => {
  const port = await freePort()
  const peer = await Served.start({
    file: process.execPath,
    args: [join(import.meta.dirname, 'peers/fastify.ts')],
    port,
    env: { ...process.env, ...env, PORT: String(port) },
    log: join(folder, 'peer.log'),
    readyPath: '/ready',
  })
  undo.push(() => peer.stop())
  return peer
}

/** A database for the peer's tables, in Ashlar's own cluster: both write to the same disk through the same server. */
const createPeerDatabase = async (paymentsUrl: string, admin: pg.Client): Promise<string> => {
  await admin.query('CREATE DATABASE bench_peer')
  const url = new URL(paymentsUrl)
  url.pathname = '/bench_peer'
  return url.href
}

const measure = async (folder: string): Promise<Figure[]> => {
  const figures: Figure[] = []
  const add = (...more: Figure[]): void => {
    figures.push(...more)
    for (const { what, ashlar, against } of more) note(`  ${what}: ${ashlar} · ${against}`)
  }

  note('starting')
  const { ashlar, figures: starts } = await startFigures(folder)
  undo.push(() => ashlar.served.stop())
  add(...starts)
  add(await idleFigure(ashlar))

  const person = await ashlar.newPerson()
  const answer = await fetch(`http://localhost:${ashlar.served.port}/auth/validate`, {
    headers: { authorization: `Bearer ${person.accessToken}` },
  })
  const paymentsUrl = await ashlar.databaseUrl('payments')
  const payments = await connect(paymentsUrl)
  versions.PostgreSQL = (
    await payments.query<{ server_version: string }>('SHOW server_version')
  ).rows[0]?.server_version
  const peerUrl = await createPeerDatabase(paymentsUrl, payments)
  const peer = await startPeer(folder, { VALIDATE_BODY: await answer.text(), DATABASE_URL: peerUrl })
  let nginx: Served | undefined
  if (versions.nginx !== undefined) {
    const started = await startNginx(folder, peer.port)
    undo.push(() => started.stop())
    nginx = started
  } else missing.push('nginx: the comparison with it is left out')

  add(...(await validateFigures(ashlar, person, { fastify: peer, nginx })))
  add(...(await refreshFigure(ashlar, peer, person, await connect(peerUrl))))
  add(...(await createPaymentFigure(ashlar, peer, person)))
  add(await loginFigure(ashlar, person))
  const [bus, notifications, audit] = await Promise.all(
    ['bus', 'notifications', 'audit'].map(async (name) => connect(await ashlar.databaseUrl(name))),
  )
  if (!bus || !notifications || !audit) throw new Error('a database has no address')
  // Somebody whose token is fresh and who has no payments yet.
  add(await consumerFigure(ashlar, await ashlar.newPerson(), { bus, notifications }))
  add(await auditLagFigure(ashlar, { payments, audit }))
  add(await backlogFigure(ashlar, { payments, audit }))
  add(await restedFigure(ashlar))
  return figures
}

const folder = await mkdtemp(join(tmpdir(), 'ashlar-bench-'))
const beganMs = performance.now()
try {
  const loadAtStart = loadavg()[0] ?? 0
  versions.Fastify = await versionOf('fastify')
  versions.pg = await versionOf('pg')
  const figures = await measure(folder)
  const text = report(figures, {
    date: new Date().toISOString().slice(0, 10),
    seconds: Math.round((performance.now() - beganMs) / 1000),
    processors: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
    memory: `${Math.round(totalmem() / 1e9)} GB`,
    system: `${systemType()} ${release().split('-')[0]}`,
    loadAtStart,
    versions,
    missing,
  })
  console.log(text)
  if (markdown !== undefined) await writeFile(markdown, `${text}\n`)
} finally {
  for (const step of undo.reverse()) await step().catch((error: unknown) => note(String(error)))
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}
