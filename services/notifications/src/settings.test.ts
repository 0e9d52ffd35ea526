import { expect, test } from 'vitest'
import { settingsWith } from '../test/composition.ts'
import { openMailer, senderOf } from './infrastructure/mailers/open.ts'
import { notificationsSettings } from './settings.ts'

const { mailUrl, mailFrom } = notificationsSettings.settings

test('the mailbox and the example sender are for development only', () => {
  expect(mailUrl.production?.('mailbox:')).toContain('name a mail server')
  expect(mailUrl.production?.('smtp://mail.test')).toBeUndefined()
  expect(mailFrom.production?.(mailFrom.schema.parse(undefined))).toContain('domain')
  expect(mailFrom.production?.('Shop <a@shop.example>')).toBeUndefined()
  expect(() => openMailer(settingsWith(), 'production', () => expect.unreachable())).toThrow('refused in production')
})

test.each(['', 'mailbox', 'http://mail.test', 'smtp://', 'smtp:mail.test'])('%j is no mail URL', (text) => {
  expect(mailUrl.schema.safeParse(text).success).toBe(false)
})

test('the sender is one address, its domain in ASCII ends the Message-ID', () => {
  expect(mailFrom.schema.safeParse('a@x.test, b@x.test').success).toBe(false)
  expect(mailFrom.schema.safeParse('A\r\nBcc: b@x.test <a@x.test>').success).toBe(false)
  expect(senderOf('Shop <a@bücher.test>')).toEqual({
    from: { name: 'Shop', address: 'a@bücher.test' },
    messageIdDomain: 'xn--bcher-kva.test',
  })
})
