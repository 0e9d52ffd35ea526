/** The gateway's door: every request from outside comes through here. */

export type { DevTools, MailboxMessage, SandboxCharge } from './application/ports.ts'
export { openApiOf } from './application/queries/openapi.ts'
export { createGateway, type Gateway, type GatewayDeps } from './gateway.ts'
export { type GatewaySettings, gatewaySettings } from './settings.ts'
