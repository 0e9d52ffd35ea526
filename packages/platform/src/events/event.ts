import type { z } from 'zod'

/** What a use case appends to its outbox; the rest of the envelope is made there. */
export type NewEvent<T extends string = string, D = unknown> = {
  type: T
  /** Id of the aggregate: events of one subject are delivered in the order in which they were written. */
  subject: string
  /** Version of the locked aggregate; without it no order is promised to readers of more than one source. */
  sequence?: number
  data: D
}

/** CloudEvents 1.0 in structured JSON, with the extensions correlationid, traceparent, sequence and actor. */
export type Envelope<D = unknown> = {
  specversion: '1.0'
  /** UUIDv7: with `source` the key by which readers know a repeat. */
  id: string
  source: string
  type: string
  subject: string
  /** RFC 3339, UTC. */
  time: string
  datacontenttype: 'application/json'
  dataschema: string
  data: D
  correlationid: string
  traceparent: string
  sequence?: number
  /** `user:<id>`, `service:<name>`, … */
  actor?: string
}

export type EventType<T extends string = string, S extends z.ZodType = z.ZodType> = {
  type: T
  data: S
  summary: string
  /** What the subject is, in words: for the generated documents. */
  subjectOf: string
  of(event: { subject: string; sequence?: number; data: z.output<S> }): NewEvent<T, z.output<S>>
  /** The data of an envelope of this type, checked; fields that this version does not know are left out. */
  read(envelope: Envelope): z.output<S>
}

const TYPE = /^[a-z]+(?:[._][a-z]+)+\.v[1-9]\d*$/

/** Declares an event in its owner's contract. `type` is `<aggregate>.<past tense>.v<n>`; throws on another form. */
export const defineEvent = <const T extends string, S extends z.ZodType>(
  type: T,
  data: S,
  about: { summary: string; subject: string },
): EventType<T, S> => {
  if (!TYPE.test(type)) throw new Error(`not a type of event: ${type}`)
  return {
    type,
    data,
    summary: about.summary,
    subjectOf: about.subject,
    of: ({ subject, sequence, data: value }) => ({
      type,
      subject,
      ...(sequence === undefined ? {} : { sequence }),
      data: value,
    }),
    read: (envelope) => {
      if (envelope.type !== type) throw new Error(`expected ${type}, got ${envelope.type}`)
      return data.parse(envelope.data)
    },
  }
}
