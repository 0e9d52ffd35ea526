/**
 * `npm run lock`: makes package-lock.json complete. A registry that serves only some platforms lets npm
 * drop the other platforms' optional packages from the lock in silence, and `npm ci` then refuses the
 * lock. This adds the dropped entries from what their parents declare, and strips resolved addresses.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

type Entry = {
  version?: string
  resolved?: string
  optional?: boolean
  dev?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

const file = join(import.meta.dirname, '../package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, Entry> }

const systems: Record<string, string> = { windows: 'win32', win32: 'win32' }
for (const os of ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos'])
  systems[os] = os
const cpus = ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64', 'mips64el', 'wasm32']
const libcs: Record<string, string> = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' }

/** Node's own lookup: the package beside the parent, else one level further out, to the root. */
const isLocked = (parent: string, name: string): boolean => {
  const levels = parent.split('/node_modules/')
  for (let depth = levels.length; depth >= 0; depth--) {
    const base = levels.slice(0, depth).join('/node_modules/')
    if (lock.packages[`${base === '' ? '' : `${base}/`}node_modules/${name}`]) return true
  }
  return Boolean(lock.packages[`node_modules/${name}`])
}

const platformOf = (name: string): Partial<Entry> => {
  const words = name.split(/[/-]/)
  const os = words.map((word) => systems[word]).find(Boolean)
  const cpu = cpus.find((word) => words.includes(word))
  const libc = words.map((word) => libcs[word]).find(Boolean)
  return { ...(cpu && { cpu: [cpu] }), ...(libc && os === 'linux' && { libc: [libc] }), ...(os && { os: [os] }) }
}

let added = 0
for (const [path, entry] of Object.entries(lock.packages)) {
  if (entry.resolved?.startsWith('http')) delete entry.resolved
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const version = range.replace(/^[\^~]/, '')
    if (isLocked(path, name) || !/^\d+\.\d+\.\d+/.test(version)) continue
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(entry.dev && { dev: true }),
      optional: true,
      ...platformOf(name),
    }
    added++
  }
}

const sorted = Object.entries(lock.packages).sort(([a], [b]) =>
  a === '' ? -1 : b === '' ? 1 : a.localeCompare(b, 'en'),
)
lock.packages = Object.fromEntries(sorted)
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${added} platform entries added`)
