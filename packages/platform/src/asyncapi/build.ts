import { z } from 'zod'
import { timestamp, uuid } from '../contract/index.ts'
import type { EventType } from '../events/index.ts'
import { createSchemas, type JsonSchema, type Schemas } from '../http/schemas.ts'

/** What one service says and hears. */
export type EventService = {
  name: string
  publishes?: readonly EventType[]
  /** By the name of the subscription. */
  subscribes?: readonly { name: string; types: readonly string[] }[]
}

type Reference = { $ref: string }
type Operation = {
  action: 'send' | 'receive'
  title: string
  channel: Reference
  messages: Reference[]
  tags: { name: string }[]
}

export type AsyncApi = {
  asyncapi: '3.0.0'
  info: { title: string; version: string; description: string }
  defaultContentType: string
  channels: Record<string, object>
  operations: Record<string, Operation>
  components: { messages: Record<string, object>; schemas: Record<string, JsonSchema> }
}

const CONTENT = 'application/cloudevents+json'

/** The form of every event (`Envelope`), for documents. */
const envelope = z.object({
  specversion: z.literal('1.0'),
  id: uuid.describe('With `source` the key by which a repeat is known.'),
  source: z.string().min(1).describe('`/<installation>/<tenant>/<service>`'),
  type: z.string().min(1),
  subject: z.string().min(1).describe('Events of one subject are delivered in the order in which they were written.'),
  time: timestamp,
  datacontenttype: z.literal('application/json'),
  dataschema: z.string().min(1),
  data: z.unknown(),
  correlationid: z.string().min(1).describe('The id of the request that it came from.'),
  traceparent: z
    .string()
    .regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)
    .describe('W3C trace context of the span that wrote it.'),
  sequence: z.int().min(0).optional().describe('Version of the aggregate; without it no order is promised.'),
  actor: z.string().optional().describe('Who caused it: `user:<id>`, `service:<name>`.'),
})

/**
 * The AsyncAPI 3.0 document of the events: one channel for each type, an operation for whoever sends it and for each
 * subscription that hears it. Throws where two services publish one type, or one hears what nobody publishes.
 */
export const buildAsyncApi = ({
  title,
  version,
  services,
}: {
  title: string
  version: string
  services: readonly EventService[]
}): AsyncApi => {
  const schemas = createSchemas()
  schemas.named('Envelope', envelope, 'input')
  const document: AsyncApi = {
    asyncapi: '3.0.0',
    info: {
      title,
      version,
      description:
        'Every event is CloudEvents 1.0 in structured JSON, at least once, in order for each subject. A version gains optional fields only: readers ignore those that they do not know.',
    },
    defaultContentType: CONTENT,
    channels: {},
    operations: {},
    components: { messages: {}, schemas: {} },
  }
  for (const service of services) {
    for (const event of service.publishes ?? []) {
      if (document.channels[event.type]) throw new Error(`The event ${event.type} is published by two services.`)
      addEvent(document, schemas, event)
      document.operations[`${service.name}.send.${event.type}`] = operationOf('send', service.name, event.type)
    }
  }
  for (const service of services) {
    for (const { name, types } of service.subscribes ?? []) {
      for (const type of types) {
        if (!document.channels[type]) throw new Error(`The subscription ${name} hears ${type}, which nobody publishes.`)
        document.operations[`${name}.receive.${type}`] = {
          ...operationOf('receive', service.name, type),
          title: `The subscription ${name}`,
        }
      }
    }
  }
  document.components.schemas = schemas.all()
  return document
}

const addEvent = (document: AsyncApi, schemas: Schemas, event: EventType): void => {
  const { type, summary, subjectOf } = event
  document.channels[type] = {
    address: type,
    summary,
    description: `The subject, and so the key of its order, is the ${subjectOf}.`,
    messages: { [type]: { $ref: `#/components/messages/${type}` } },
  }
  document.components.messages[type] = {
    name: type,
    summary,
    contentType: CONTENT,
    correlationId: { location: '$message.payload#/correlationid' },
    payload: {
      allOf: [
        { $ref: '#/components/schemas/Envelope' },
        {
          type: 'object',
          properties: {
            type: { const: type },
            dataschema: { const: `urn:ashlar:event:${type}` },
            // Open as readers take it: what a later version adds is no mistake.
            data: schemas.input(event.data, type),
          },
        },
      ],
    },
  }
}

const operationOf = (action: Operation['action'], service: string, type: string): Operation => ({
  action,
  title: `${service} publishes it`,
  channel: { $ref: `#/channels/${type}` },
  messages: [{ $ref: `#/channels/${type}/messages/${type}` }],
  tags: [{ name: service }],
})
