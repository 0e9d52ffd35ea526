import type { RenderedMail } from '../../domain/template.ts'
import type { Compiled, Values } from './environment.ts'
import { createTimeLimit } from './time-limit.ts'

export type RenderLimits = { maxBytes: number; maxMs: number }

/** Fills a template within the limits. One that is trusted is not watched by a clock: watching costs more than filling. */
export type Limited = (compiled: Compiled, values: Values, trusted: boolean) => RenderedMail

export const createLimited = ({ maxBytes, maxMs }: RenderLimits): Limited => {
  const within = createTimeLimit(maxMs)
  return (compiled, values, trusted) => {
    const mail = trusted ? compiled(values) : within(() => compiled(values))
    const sizeBytes = Buffer.byteLength(mail.subject) + Buffer.byteLength(mail.html) + Buffer.byteLength(mail.text)
    if (sizeBytes > maxBytes) throw new Error(`it makes more than ${maxBytes} bytes`)
    return mail
  }
}
