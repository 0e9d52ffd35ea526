import { expect, test } from 'vitest'
import { enhancedCode, isAddressGone } from './bounce.ts'

const judged = (answer: string, aboutRecipient = true): boolean =>
  isAddressGone(Number(answer.slice(0, 3)), enhancedCode(answer), aboutRecipient)

test.each([
  '550 no such user',
  '551 user not local',
  '553 mailbox name not allowed',
  '550 5.1.1 nobody',
  '550-5.1.1 nobody\n550 5.1.1 at all',
  '550 5.1.2 no such host',
  '554 5.1.1 nobody',
  '550 5.1.10 null MX',
  '550 5.2.1 mailbox disabled',
  '550 5.1.0 rejected',
])('%s says that the address is of no use', (answer) => {
  expect(judged(answer)).toBe(true)
})

test.each([
  '450 4.1.1 try later',
  '552 too large',
  '554 no',
  '550 5.7.1 looks like spam',
  '550 5.2.2 mailbox full',
  '552 5.2.2 mailbox full',
  '550 5.1.8 bad sender',
  '550 5.7.26 not authenticated',
  '521 does not accept mail',
  '250 2.1.5 ok',
])('%s does not', (answer) => {
  expect(judged(answer)).toBe(false)
})

test('whose address is meant by "other" is known at RCPT only', () => {
  expect(judged('550 5.1.0 rejected', false)).toBe(false)
})
