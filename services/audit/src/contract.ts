import { content, defineErrors, defineRoute, pageOf, pageQuery, timeBound, timestamp } from '@ashlar/platform/contract'
import { z } from 'zod'

export const auditErrors = defineErrors({})

const action = z.enum(['insert', 'update', 'delete', 'truncate', 'event', 'snapshot', 'gap'])
const values = z.record(z.string(), z.unknown()).nullable()
const name = z.string().min(1).max(600)

export const auditEntry = z.object({
  id: z.string(),
  chain: z.string(),
  sequence: z.int().positive(),
  service: z.string(),
  entity: z.string(),
  entityId: z.string().nullable(),
  action,
  before: values.describe('Personal fields as they were; null once the person was erased'),
  after: values,
  changed: z.array(z.string()).describe('Names of the fields that differ'),
  actor: z.object({ type: z.string(), id: z.string() }),
  context: z.object({
    requestId: z.string().nullable(),
    traceId: z.string().nullable(),
    ip: z.string().nullable(),
    userAgent: z.string().nullable(),
    reason: z.string().nullable(),
  }),
  source: z.object({
    epoch: z.string(),
    lsn: z.string().nullable(),
    txid: z.number().nullable(),
    table: z.string().nullable(),
    commitTime: z.string(),
  }),
  recordedAt: z.string().describe('RFC 3339 in UTC with six digits; grows strictly within a chain'),
  previousHash: z.string(),
  hash: z.string().describe('SHA-256 over the entry with commitments in the place of personal values'),
})

export const auditCheckpoint = z.object({
  chain: z.string(),
  number: z.int().positive(),
  from: z.int().positive(),
  to: z.int().positive(),
  hash: z.string(),
  witnessHash: z.string(),
  previous: z.string(),
  at: timestamp,
  key: z.string().describe('SHA-256 of the public key'),
  signature: z.string().describe('Ed25519, base64'),
})

export const auditVerification = z.object({
  valid: z.boolean(),
  checked: z.int().nonnegative(),
  firstBad: z.object({ chain: z.string(), sequence: z.int().positive(), reason: z.string() }).nullable(),
})

const filters = {
  actor: name.optional().describe('`type:id`, or a bare id'),
  action: action.optional(),
  entity: name.optional(),
  entityId: name.optional(),
  service: name.optional(),
  requestId: name.optional(),
  from: timeBound.optional().describe('Recorded at this time or later'),
  to: timeBound.optional().describe('Recorded before this time'),
}

export const auditRoutes = {
  listEntries: defineRoute({
    method: 'GET',
    path: '/audit/entries',
    summary: 'Entries of the trail, newest first',
    access: { permission: 'audit:read' },
    query: pageQuery(filters),
    responses: { 200: pageOf(auditEntry) },
    errors: ['cursor_invalid'],
  }),
  entityTimeline: defineRoute({
    method: 'GET',
    path: '/audit/timeline/:entity/:id',
    summary: 'Everything that happened to one entity, oldest first; everybody may see the own user',
    access: 'user',
    params: z.object({ entity: name, id: name }),
    query: pageQuery(),
    responses: { 200: pageOf(auditEntry) },
    errors: ['cursor_invalid', 'not_found'],
  }),
  latestCheckpoints: defineRoute({
    method: 'GET',
    path: '/audit/checkpoints/latest',
    summary: 'The last signed checkpoint of each chain, and the key that signs',
    access: { permission: 'audit:read' },
    responses: {
      200: z.object({ data: z.array(auditCheckpoint), publicKey: z.string(), fingerprint: z.string() }),
    },
  }),
  verifyTrail: defineRoute({
    method: 'POST',
    path: '/audit/verify',
    summary: 'Walks every chain and names the first entry that was edited, deleted, inserted, swapped or cut off',
    access: { permission: 'audit:read' },
    responses: { 200: auditVerification },
  }),
  exportEntries: defineRoute({
    method: 'POST',
    path: '/audit/exports',
    summary: 'Entries as a file, oldest first: one JSON object a line, or CSV (RFC 4180) with a header row',
    description:
      'Personal values stand in it as in the list. In CSV a cell that a spreadsheet would take for a formula begins ' +
      'with an apostrophe. That the export was asked for is an entry of the trail. A file that proves itself offline ' +
      'is made by `ashlar audit export`.',
    access: { permission: 'audit:read' },
    body: z.object({ format: z.enum(['ndjson', 'csv']), ...filters }),
    responses: { 200: content('application/x-ndjson; charset=utf-8', 'text/csv; charset=utf-8; header=present') },
    errors: ['overloaded'],
  }),
}
