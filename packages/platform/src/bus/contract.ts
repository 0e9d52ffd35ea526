import { z } from 'zod'
import { defineEvent } from '../events/index.ts'

export const deadLetterDiscarded = defineEvent(
  'dead_letter.discarded.v1',
  z.object({ subscription: z.string(), eventId: z.string(), reason: z.string(), actor: z.string() }),
  { summary: 'Somebody gave up an event that a subscription could not handle', subject: 'id of the given up event' },
)
