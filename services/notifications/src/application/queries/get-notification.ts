import { err, ok, type Result } from '@ashlar/kernel'
import { type TimelineStep, timelineOf } from '../../domain/timeline.ts'
import type { ContentSeal, NotificationReader } from '../ports.ts'
import { type Message, messageOf, type Requester, readsAll } from './view.ts'

export type GetNotification = (input: {
  requester: Requester
  id: string
}) => Promise<Result<Message & { timeline: TimelineStep[] }, 'not_found'>>

/** A message with what happened to it: one's own, or anybody's with `notifications:read`. */
export const getNotification =
  ({ reader, seal }: { reader: Pick<NotificationReader, 'find'>; seal: Pick<ContentSeal, 'open'> }): GetNotification =>
  async ({ requester, id }) => {
    const found = await reader.find(id)
    if (!found || (found.message.userId !== requester.userId && !readsAll(requester))) return err('not_found')
    return ok({ ...messageOf(seal, found.message), timeline: timelineOf(found.message, found.steps) })
  }
