/**
 * `npm run check`: everything about the sources that can be judged without running the product.
 * Every step runs, each prints its own summary, and one failure is enough to fail.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string): string => join(root, 'node_modules/.bin', name)

const run = (command: string, args: string[]): { status: number; output: string } => {
  const child = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, FORCE_COLOR: '0' } })
  return {
    status: child.status ?? 1,
    output: `${child.stdout ?? ''}${child.stderr ?? ''}${child.error?.message ?? ''}`,
  }
}

/** Production dependencies with a known vulnerability; a registry without advisories is said, not hidden. */
const advisories = (): { status: number; output: string } => {
  const result = run('npm', ['audit', '--omit=dev', '--json'])
  try {
    const report = JSON.parse(result.output.slice(result.output.indexOf('{'))) as {
      metadata?: { vulnerabilities?: { total?: number } }
    }
    const total = report.metadata?.vulnerabilities?.total
    if (total === undefined) return { status: 0, output: 'skipped: no advisories' }
    return { status: total === 0 ? 0 : 1, output: total === 0 ? 'no known vulnerability' : result.output }
  } catch {
    return { status: 0, output: 'skipped: no advisories' }
  }
}

/** Generated files are made anew in memory and compared with what is committed. */
const drift = () => run(process.execPath, [join(root, 'apps/server/src/generate.ts'), '--check'])

/** Relative links of every Markdown page lead to a file that exists. */
const links = (): { status: number; output: string } => {
  const listed = run('git', ['ls-files', '-co', '--exclude-standard', '*.md'])
  const files = new Set(run('git', ['ls-files', '-co', '--exclude-standard']).output.split('\n'))
  const folders = new Set(
    [...files].flatMap((file) => file.split('/').map((_, i, parts) => parts.slice(0, i).join('/'))),
  )
  const broken: string[] = []
  for (const page of listed.output.split('\n').filter(Boolean)) {
    for (const [, target] of readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (target === undefined || /^[a-z]+:/.test(target)) continue
      const path = join(page, '..', target).replace(/\/$/, '')
      if (!files.has(path) && !folders.has(path)) broken.push(`${page}: ${target}`)
    }
  }
  return { status: broken.length === 0 ? 0 : 1, output: broken.join('\n') || 'every link leads somewhere' }
}

/** Every service has its page, and no source file grew past what one reader holds in mind. */
const sizes = (): { status: number; output: string } => {
  const sources = run('git', ['ls-files', '-co', '--exclude-standard', '*.ts']).output.split('\n').filter(Boolean)
  const long = sources.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 401)
  const pages = readdirSync(join(root, 'services')).map((service) => `services/${service}/README.md`)
  const missing = pages.filter((page) => !run('git', ['ls-files', '-co', '--exclude-standard', page]).output.trim())
  const output = [...long.map((file) => `over 400 lines: ${file}`), ...missing.map((page) => `missing: ${page}`)]
  return { status: output.length === 0 ? 0 : 1, output: output.join('\n') || `${sources.length} source files` }
}

const steps: [string, () => { status: number; output: string }][] = [
  ['types', () => run(bin('tsc'), ['-p', '.'])],
  ['format and lint', () => run(bin('biome'), ['check', '--error-on-warnings', '.'])],
  ['floating promises', () => run(bin('oxlint'), ['--type-aware', '--deny-warnings'])],
  [
    'architecture',
    () => run(bin('depcruise'), ['--config', '.dependency-cruiser.mjs', 'packages', 'services', 'apps']),
  ],
  ['unused code', () => run(bin('knip'), [])],
  ['generated files', drift],
  ['links', links],
  ['sizes', sizes],
  ['advisories', advisories],
]

let failed = 0
for (const [name, step] of steps) {
  const started = Date.now()
  const { status, output } = step()
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  const skipped = output.startsWith('skipped:')
  console.log(`${status === 0 ? (skipped ? '–' : '✓') : '✗'} ${name} (${seconds} s)${skipped ? ` ${output}` : ''}`)
  if (status !== 0) {
    failed++
    console.log(output.trimEnd().replace(/^/gm, '    '))
  }
}
console.log(`check: ${steps.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
