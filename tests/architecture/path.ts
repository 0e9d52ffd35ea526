/**
 * Prints the files that a request passes from HTTP to SQL: `node tests/architecture/path.ts [service] [route]`.
 * Read from the sources: the route's handler, the verb that it calls, what that verb's file imports to decide, and
 * the repositories whose members it uses. Ports are types and run nothing, so they do not count.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '../..')

const sourcesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => join(folder, file))

/** The relative files that a module imports for their values. */
const valueImports = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/^import (?!type )[\s\S]*?from '(\.[^']+)'/gm)].map(([, target = '']) =>
    join(file, '..', target),
  )

/** The text of one member of an object literal: from its name to the next member on the same indentation. */
const memberOf = (text: string, name: string): string =>
  new RegExp(`^  ${name}: [\\s\\S]*?(?=^  \\w+: |^\\}\\))`, 'm').exec(text)?.[0] ?? ''

/** The source without the helpers that run only before a refusal: they are another path. */
const withoutRefusals = (text: string): string =>
  [...text.matchAll(/await (\w+)\([^\n]*\n\s+return err\(/g)].reduce(
    (rest, [, helper]) => rest.replace(new RegExp(`^const ${helper} = [\\s\\S]*?^}$`, 'm'), ''),
    text,
  )

/** Paths relative to the repository, in the order in which a request passes them. */
export const pathOf = (service: string, route: string): string[] => {
  const src = join(root, 'services', service, 'src')
  const contract = join(src, 'contract.ts')
  const http = join(src, 'api/http.ts')
  const verb = /\bauth\.(\w+)\(/.exec(memberOf(readFileSync(http, 'utf8'), route))?.[1]
  if (verb === undefined) throw new Error(`no handler of ${route} calls a verb in ${relative(root, http)}`)

  const useCase = sourcesOf(join(src, 'application')).find((file) =>
    new RegExp(`export const ${verb} =`).test(readFileSync(file, 'utf8')),
  )
  if (useCase === undefined) throw new Error(`no use case ${verb}`)
  const deciding = valueImports(useCase).filter((file) => file.includes('/domain/') || file.includes('/application/'))

  // The SQL behind `tx.<port>.`: the file that makes that member where the repositories are put together.
  const work = withoutRefusals(readFileSync(useCase, 'utf8'))
  const ports = new Set([...work.matchAll(/\btx\.(\w+)\./g)].map(([, port = '']) => port))
  const stores = sourcesOf(join(src, 'infrastructure')).filter((file) =>
    /export const createRepositories/.test(readFileSync(file, 'utf8')),
  )
  const sql = stores.flatMap((store) =>
    [...ports].flatMap((port) => {
      const maker = new RegExp(`^\\s+${port}: (\\w+)\\(`, 'm').exec(readFileSync(store, 'utf8'))?.[1]
      return maker === undefined
        ? []
        : valueImports(store).filter((file) => new RegExp(`export const ${maker}\\b`).test(readFileSync(file, 'utf8')))
    }),
  )
  return [...new Set([contract, http, useCase, ...deciding, ...sql])].map((file) => relative(root, file))
}

if (process.argv[1] === import.meta.filename) {
  const [service = 'auth', route = 'refresh'] = process.argv.slice(2)
  for (const file of pathOf(service, route)) console.log(file)
}
