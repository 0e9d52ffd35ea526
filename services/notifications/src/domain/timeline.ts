import type { Status } from './delivery.ts'

/** A step as it is kept: the end of a try, or what somebody decided. */
export type RecordedStep = {
  step: 'sent' | 'failed' | 'deferred' | 'suppressed' | 'unknown' | 'requeued' | 'resent'
  at: Date
  attempt: number | null
  reason: string | null
  /** When the try began, and when the mailer was called in it; null where there was no try. */
  beganAt: Date | null
  handedAt: Date | null
}

export type TimelineStep = {
  at: Date
  event: RecordedStep['step'] | 'queued' | 'attempt' | 'handed_over'
  attempt: number | null
  reason: string | null
}

type Told = {
  status: Status
  reason: string | null
  attempts: number
  createdAt: Date
  claimedAt: Date | null
  settledAt: Date | null
}

/**
 * What happened to a message, oldest first. It begins with `queued`; each try gives its beginning, the call of the
 * mailer if it came to that, and its end. A message that was suppressed at once, or by an earlier release, has no
 * recorded end: its row tells it.
 */
export const timelineOf = (message: Told, recorded: readonly RecordedStep[]): TimelineStep[] => {
  const steps: TimelineStep[] = [{ at: message.createdAt, event: 'queued', attempt: null, reason: null }]
  for (const { step, at, attempt, reason, beganAt, handedAt } of recorded) {
    if (beganAt) steps.push({ at: beganAt, event: 'attempt', attempt, reason: null })
    if (handedAt) steps.push({ at: handedAt, event: 'handed_over', attempt, reason: null })
    steps.push({ at, event: step, attempt, reason })
  }
  const { status, reason, attempts, claimedAt, settledAt } = message
  if (status === 'sending' && claimedAt)
    steps.push({ at: claimedAt, event: 'attempt', attempt: attempts, reason: null })
  if (settledAt && recorded.length === 0 && status !== 'queued' && status !== 'sending') {
    steps.push({ at: settledAt, event: status, attempt: attempts || null, reason })
  }
  return steps
}
