import { auditHears } from '@ashlar/audit'
import { auditErrors, auditRoutes } from '@ashlar/audit/contract'
import { authErrors, authEvents, authRoutes } from '@ashlar/auth/contract'
import { openApiOf } from '@ashlar/gateway'
import { devRoutes, gatewayErrors, gatewayRoutes } from '@ashlar/gateway/contract'
import { notificationsHears } from '@ashlar/notifications'
import { notificationsErrors, notificationsRoutes } from '@ashlar/notifications/contract'
import { paymentsErrors, paymentsEvents, paymentsRoutes } from '@ashlar/payments/contract'
import { buildAsyncApi } from '@ashlar/platform/asyncapi'
import { deadLetterDiscarded } from '@ashlar/platform/bus'
import { commonErrors, type ErrorTable, type Routes } from '@ashlar/platform/contract'
import { buildOpenApi } from '@ashlar/platform/http'
import { z } from 'zod'

const contracts: readonly { service: string; routes: Routes; errors: ErrorTable }[] = [
  { service: 'gateway', routes: { ...gatewayRoutes, ...devRoutes }, errors: gatewayErrors },
  { service: 'auth', routes: authRoutes, errors: authErrors },
  { service: 'payments', routes: paymentsRoutes, errors: paymentsErrors },
  { service: 'notifications', routes: notificationsRoutes, errors: notificationsErrors },
  { service: 'audit', routes: auditRoutes, errors: auditErrors },
]

/** Every code that a request can be refused with, by status. */
export const errorList = (): string => {
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

/** Every event by its type, with the schema of its data. */
export const eventList = (): string => {
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

/** The merged OpenAPI document, as a gateway on its usual port serves it. */
export const openApi = (): string => {
  const documents = contracts.map((contract) => ({ service: contract.service, document: buildOpenApi(contract) }))
  return `${JSON.stringify(openApiOf(documents, 'http://localhost:3000'), null, 2)}\n`
}

const subscriptions = (hears: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(hears).map(([name, types]) => ({ name, types }))

/** Who says what on the bus and who listens, as AsyncAPI 3. */
export const asyncApi = (): string => {
  const services = [
    { name: 'auth', publishes: authEvents },
    { name: 'payments', publishes: paymentsEvents },
    { name: 'notifications', subscribes: subscriptions(notificationsHears) },
    { name: 'audit', subscribes: subscriptions(auditHears) },
    { name: 'bus', publishes: [deadLetterDiscarded] },
  ]
  return `${JSON.stringify(buildAsyncApi({ title: 'Ashlar', version: '1', services }), null, 2)}\n`
}
