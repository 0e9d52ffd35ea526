import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ReferenceAssets } from '../application/ports.ts'
import { REFERENCE_SCRIPT } from './reference-script.ts'

/** Everything that the reference loads. A name that is not here is served by nobody, whatever lies in the package. */
const TYPES = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
  'reference.js': 'text/javascript; charset=utf-8',
} as const

type Name = keyof typeof TYPES

/** The files of the API reference, read from the installed package when they are first asked for. */
export const createReferenceAssets = (): ReferenceAssets => {
  const require = createRequire(import.meta.url)
  // By its manifest: the package's own entry point pulls in more than a path.
  const folder = dirname(require.resolve('swagger-ui-dist/package.json'))
  const read = async (name: Name) => {
    const bytes = name === 'reference.js' ? Buffer.from(REFERENCE_SCRIPT) : await readFile(join(folder, name))
    const version = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
    return { name, type: TYPES[name], version, bytes }
  }
  const names = Object.keys(TYPES) as Name[]
  let loaded: ReturnType<typeof readAll> | undefined
  const readAll = async () => new Map(await Promise.all(names.map(async (name) => [name, await read(name)] as const)))

  return {
    names,
    find: async (name) => {
      loaded ??= readAll().catch((error: unknown) => {
        loaded = undefined
        throw error
      })
      const asset = (await loaded).get(name as Name)
      if (!asset) throw new Error(`The reference has no file ${name}.`)
      return asset
    },
  }
}
