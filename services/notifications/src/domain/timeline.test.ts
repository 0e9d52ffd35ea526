import { expect, test } from 'vitest'
import { type RecordedStep, timelineOf } from './timeline.ts'

const at = (second: number): Date => new Date(Date.UTC(2026, 2, 1, 10, 0, second))
const message = {
  status: 'sent' as const,
  reason: null,
  attempts: 2,
  createdAt: at(0),
  claimedAt: at(5),
  settledAt: at(6),
}
const step = (own: Partial<RecordedStep>): RecordedStep => ({
  step: 'sent',
  at: at(6),
  attempt: 1,
  reason: null,
  beganAt: null,
  handedAt: null,
  ...own,
})
const told = (...input: Parameters<typeof timelineOf>): string[] =>
  timelineOf(...input).map(({ event, attempt, reason }) => [event, attempt, reason].filter(Boolean).join(' '))

test('each try shows its beginning, the hand-over and its end', () => {
  const steps = [
    step({ step: 'deferred', at: at(2), reason: 'smtp_451', beganAt: at(1), handedAt: at(1) }),
    step({ attempt: 2, beganAt: at(5), handedAt: at(5) }),
  ]
  const timeline = timelineOf(message, steps)
  expect(told(message, steps)).toEqual([
    'queued',
    'attempt 1',
    'handed_over 1',
    'deferred 1 smtp_451',
    'attempt 2',
    'handed_over 2',
    'sent 2',
  ])
  expect(timeline.map((one) => one.at)).toEqual([at(0), at(1), at(1), at(2), at(5), at(5), at(6)])
})

test('a try that runs shows its beginning', () => {
  expect(told({ ...message, status: 'sending', attempts: 1, settledAt: null }, [])).toEqual(['queued', 'attempt 1'])
})

test('a message that was suppressed at once, or sent by an earlier release, tells it from its row', () => {
  const suppressed = { ...message, status: 'suppressed' as const, reason: 'rate_limited', attempts: 0, claimedAt: null }
  expect(told(suppressed, [])).toEqual(['queued', 'suppressed rate_limited'])
  expect(told({ ...message, claimedAt: null }, [])).toEqual(['queued', 'sent 2'])
  expect(told({ ...message, status: 'queued', attempts: 0, settledAt: null }, [])).toEqual(['queued'])
})
