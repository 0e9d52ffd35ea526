import { err, ok } from '@ashlar/kernel'
import { uuid } from '@ashlar/platform/contract'
import { z } from 'zod'
import type { WebhookReader } from '../../application/provider.ts'
import { isSigned, SIGNATURE_HEADER, type SignatureRule } from './signature.ts'

/** What is read of an event; whatever else it says is of no use here. */
const event = z.object({
  id: z.string().min(1).max(255),
  data: z.object({ attemptId: uuid, transactionId: uuid, kind: z.enum(['charge', 'refund']) }),
})

/** Reads the sandbox's webhooks. Nothing of a body is looked at before its signature is right. */
export const createSandboxWebhookReader =
  (rule: SignatureRule): WebhookReader =>
  ({ headers, rawBody, now }) => {
    if (!isSigned(rule, headers[SIGNATURE_HEADER], now, rawBody)) return err('signature_invalid')
    const read = event.safeParse(parse(rawBody))
    return ok(read.success ? { id: read.data.id, ...read.data.data } : undefined)
  }

const parse = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
