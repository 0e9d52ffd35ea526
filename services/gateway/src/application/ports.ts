import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller, HealthReport, Progress } from '@ashlar/platform/http'

/** What the gateway decided about a request; a service believes it because it comes from here. */
export type Passport = {
  ip: string
  requestId: string
  traceparent: string
  caller?: Caller
  /** For the answer, where the service has no value of its own. */
  headers?: Readonly<Record<string, string>>
}

/** A small request that the gateway makes itself, for a page. */
export type OwnCall = { method: 'GET' | 'POST'; path: string; body?: unknown; passport: Passport }
export type OwnAnswer = { status: number; body: unknown }

/**
 * A service behind the gateway. `forward` hands over a request on which everything is decided: `url` is the canonical
 * target, the identity fields are gone, the body is unread. From there on the upstream alone writes the response, and
 * always ends it; what it answers tells the gateway's log line about it. The upstream writes none of its own.
 */
export type Upstream = {
  forward(request: IncomingMessage, response: ServerResponse, passport: Passport): Progress
  call(request: OwnCall): Promise<OwnAnswer>
  health(): Promise<HealthReport>
  /** The reason why it should get no traffic now; undefined when it should. */
  unready(): Promise<string | undefined>
  /** Its OpenAPI 3.1 document. */
  openapi(): object
}

/** A mail that the development mailbox took. */
export type MailboxMessage = {
  id: string
  notificationId: string
  template: string
  to: string
  from: string
  subject: string
  text: string
  html: string
  headers: Record<string, string>
  links: string[]
  handOvers: number
  sentAt: string
}

/** One attempt that the sandbox provider recorded. */
export type SandboxCharge = {
  attemptId: string
  transactionId: string
  kind: 'charge' | 'refund' | 'void'
  amount: string
  currency: string
  outcome: 'succeeded' | 'declined' | 'voided'
  receivedCount: number
  at: string
}

/** What `/dev/*` shows; absent in production. Newest first. */
export type DevTools = {
  mailbox: { list(query: { to?: string; limit: number }): Promise<{ data: MailboxMessage[] }> }
  charges(query: { transactionId: string }): Promise<SandboxCharge[]>
}

/** Something about how this Ashlar is set up that an operator should mend. */
export type Finding = { code: 'untrusted_forwarder' | 'forwarding_conflict'; detail: string }

/** A file of the API reference. `version` changes with its content. */
export type ReferenceAsset = { name: string; type: string; version: string; bytes: Buffer }

/** The files of the API reference: these names and no others. */
export type ReferenceAssets = { names: readonly string[]; find(name: string): Promise<ReferenceAsset> }
