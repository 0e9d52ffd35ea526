/**
 * `npm run gen`: writes what is derived from the contracts, the settings and the migrations. With `--check` it writes
 * nothing, names the files that would change and exits 1.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { configurationReference, envExample } from '@ashlar/platform/config'
import { SETTINGS } from './config.ts'
import { asyncApi, errorList, eventList, openApi } from './documents/contracts.ts'
import { databaseSchema } from './documents/database-schema.ts'

const root = join(import.meta.dirname, '../../..')

const files: readonly [string, () => string | Promise<string>][] = [
  ['docs/generated/openapi.json', openApi],
  ['docs/generated/asyncapi.json', asyncApi],
  ['docs/generated/errors.md', errorList],
  ['docs/generated/events.md', eventList],
  ['docs/generated/database.md', databaseSchema],
  ['docs/generated/configuration.md', () => configurationReference(SETTINGS)],
  ['.env.example', () => envExample(SETTINGS)],
]

/** Writes the files that differ, or only names them; answers their names. */
const generate = async (check: boolean): Promise<string[]> => {
  const changed: string[] = []
  for (const [file, make] of files) {
    const path = join(root, file)
    const text = await make()
    if ((await readFile(path, 'utf8').catch(() => '')) === text) continue
    changed.push(file)
    if (check) continue
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
  return changed
}

const check = process.argv.includes('--check')
const changed = await generate(check)
const verb = check ? 'differs' : 'written'
console.log(changed.length === 0 ? 'generated files agree with the code' : `${verb}: ${changed.join(', ')}`)
if (check && changed.length > 0) {
  console.log('run: npm run gen')
  process.exitCode = 1
}
