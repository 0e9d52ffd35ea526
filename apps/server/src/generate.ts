/**
 * `npm run gen`: writes what is derived from the contracts and the settings. With `--check` it writes nothing,
 * names the files that would change and exits 1.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { auditErrors, auditRoutes } from '@ashlar/audit/contract'
import { authErrors, authEvents, authRoutes } from '@ashlar/auth/contract'
import { openApiOf } from '@ashlar/gateway'
import { devRoutes, gatewayErrors, gatewayRoutes } from '@ashlar/gateway/contract'
import { notificationsErrors, notificationsRoutes } from '@ashlar/notifications/contract'
import { paymentsErrors, paymentsEvents, paymentsRoutes } from '@ashlar/payments/contract'
import { deadLetterDiscarded } from '@ashlar/platform/bus'
import { configurationReference, envExample } from '@ashlar/platform/config'
import { commonErrors, type ErrorTable, type Routes } from '@ashlar/platform/contract'
import { buildOpenApi } from '@ashlar/platform/http'
import { z } from 'zod'
import { SETTINGS } from './config.ts'

const root = join(import.meta.dirname, '../../..')

const contracts: readonly { service: string; routes: Routes; errors: ErrorTable }[] = [
  { service: 'gateway', routes: { ...gatewayRoutes, ...devRoutes }, errors: gatewayErrors },
  { service: 'auth', routes: authRoutes, errors: authErrors },
  { service: 'payments', routes: paymentsRoutes, errors: paymentsErrors },
  { service: 'notifications', routes: notificationsRoutes, errors: notificationsErrors },
  { service: 'audit', routes: auditRoutes, errors: auditErrors },
]

const errorList = (): string => {
  const rows = new Map<string, { status: number; title: string; services: string[] }>()
  for (const { service, errors } of contracts) {
    for (const [code, { status, title }] of Object.entries(errors)) {
      const services = code in commonErrors ? ['all'] : [...(rows.get(code)?.services ?? []), service]
      rows.set(code, { status, title, services })
    }
  }
  const lines = [...rows]
    .sort(([a, left], [b, right]) => left.status - right.status || a.localeCompare(b, 'en'))
    .map(([code, { status, title, services }]) => `| ${status} | \`${code}\` | ${title} | ${services.join(', ')} |`)
  return `# Errors

Every refusal is \`application/problem+json\` (RFC 9457) with \`type\` = \`urn:ashlar:problem:<code>\`. Generated from the contracts.

| status | code | title | service |
|---|---|---|---|
${lines.join('\n')}
`
}

const eventList = (): string => {
  const events = [...authEvents, ...paymentsEvents, deadLetterDiscarded]
  const sections = events.map(({ type, summary, subjectOf, data }) => {
    const { $schema: _, ...schema } = z.toJSONSchema(data, { io: 'input' })
    return `## \`${type}\`\n\n${summary}. Its subject, and so its ordering key, is ${subjectOf}.\n\n\`\`\`json\n${JSON.stringify(schema, null, 2)}\n\`\`\``
  })
  return `# Events

CloudEvents 1.0 in JSON; this page lists the schema of \`data\` per type. Generated from the contracts.

${sections.join('\n\n')}
`
}

const openApi = (): string => {
  const documents = contracts.map((contract) => ({ service: contract.service, document: buildOpenApi(contract) }))
  return JSON.stringify(openApiOf(documents, 'http://localhost:3000'), null, 2)
}

const files: readonly [string, () => string][] = [
  ['docs/generated/openapi.json', () => `${openApi()}\n`],
  ['docs/generated/errors.md', errorList],
  ['docs/generated/events.md', eventList],
  ['docs/generated/configuration.md', () => configurationReference(SETTINGS)],
  ['.env.example', () => envExample(SETTINGS)],
]

/** Writes the files that differ, or only names them; answers their names. */
const generate = async (check: boolean): Promise<string[]> => {
  const changed: string[] = []
  for (const [file, make] of files) {
    const path = join(root, file)
    const text = make()
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
