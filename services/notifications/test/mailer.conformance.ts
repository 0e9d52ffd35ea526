import { eventually } from '@ashlar/platform/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Mailer, OutgoingMail } from '../src/application/ports.ts'

/** One hand-over as the far side saw it. */
export type Received = {
  envelopeTo: string
  subject: string
  text: string
  html: string
  /** Names in lower case. */
  headers: Record<string, string>
}

export type MailerUnderTest = {
  mailer: Mailer
  /** Every hand-over that the far side took, by Message-ID. */
  received: (messageId: string) => Promise<Received[]>
  /** All hand-overs so far. */
  total: () => Promise<number>
  /** Makes the far side unreachable until the answer is called. */
  outage: () => Promise<() => Promise<void>>
  close: () => Promise<void>
}

/** What every mailer promises. `gaps` names what an adapter cannot do, with its reason. */
export const mailerConformance = (
  name: string,
  open: () => Promise<MailerUnderTest>,
  gaps: { find?: string } = {},
): void => {
  describe(`mailer ${name}`, () => {
    let under: MailerUnderTest
    let restore: (() => Promise<void>) | undefined
    let count = 0

    beforeAll(async () => {
      under = await open()
    })
    afterEach(async () => {
      await restore?.()
      restore = undefined
    })
    afterAll(() => under.close())

    const mail = (own: Partial<OutgoingMail> = {}): OutgoingMail => {
      count += 1
      return {
        notificationId: `00000000-0000-7000-8000-${String(count).padStart(12, '0')}`,
        template: 'welcome',
        messageId: `<m${count}@ashlar.test>`,
        from: { name: 'Möbel & Co', address: 'shop@ashlar.test' },
        to: `to${count}@x.test`,
        subject: 'Grüße – 25 €',
        text: 'first line\n.a line that begins with a dot\n..and two\n\nend ✓\n',
        html: '<!doctype html><p>Grüße</p>',
        headers: { 'X-Own': 'value' },
        date: new Date('2026-03-01T10:20:30Z'),
        ...own,
      }
    }

    test('hands over envelope, headers and both texts as they are', async () => {
      const sent = mail()
      expect(await under.mailer.send(sent)).toMatchObject({ outcome: 'accepted' })
      const [got, ...more] = await under.received(sent.messageId)
      expect(more).toEqual([])
      expect(got).toMatchObject({ envelopeTo: sent.to, subject: sent.subject, text: sent.text, html: sent.html })
      expect(got?.headers).toMatchObject({ 'message-id': sent.messageId, 'x-own': 'value' })
      expect(got?.headers.to).toContain(sent.to)
      expect(got?.headers.from).toContain('shop@ashlar.test')
      expect(new Date(got?.headers.date ?? '')).toEqual(sent.date)
    })

    test('a large message arrives whole', async () => {
      const sent = mail({ text: `${'.x Ü 0123456789 '.repeat(4)}\n`.repeat(3_000) })
      expect(await under.mailer.send(sent)).toMatchObject({ outcome: 'accepted' })
      expect((await under.received(sent.messageId))[0]?.text).toBe(sent.text)
    })

    test('one call is one hand-over, and a second call of the same message shows as a second one', async () => {
      const sent = mail()
      await under.mailer.send(sent)
      expect(await under.received(sent.messageId)).toHaveLength(1)
      await under.mailer.send(sent)
      expect(await under.received(sent.messageId)).toHaveLength(2)
    })

    test('twenty at once arrive once each', async () => {
      const all = Array.from({ length: 20 }, () => mail())
      const outcomes = await Promise.all(all.map((one) => under.mailer.send(one)))
      expect(outcomes.every(({ outcome }) => outcome === 'accepted')).toBe(true)
      for (const one of all) expect(await under.received(one.messageId)).toHaveLength(1)
    })

    test.each([
      ['two recipients', { to: 'a@x.test, b@x.test' }],
      ['a display name', { to: 'Eve <eve@x.test>' }],
      ['a line break in the recipient', { to: 'a@x.test\r\nRCPT TO:<b@x.test>' }],
      ['an end of the envelope command', { to: 'a@x.test> SIZE=1' }],
      ['no recipient', { to: '' }],
      ['a line break in the subject', { subject: 'Hi\r\nBcc: all@x.test' }],
      ['a line break in the name of the sender', { from: { name: 'A\nBcc: b@x.test', address: 'a@x.test' } }],
      ['a line break in a header', { headers: { 'X-Own': 'a\r\nBcc: b@x.test' } }],
      ['a header name that is none', { headers: { 'X-Own: a\r\nBcc': 'b@x.test' } }],
      ['a line break in the Message-ID', { messageId: '<a@x.test>\r\nBcc: b@x.test' }],
    ] satisfies [string, Partial<OutgoingMail>][])('refuses %s for good and hands nothing over', async (_what, own) => {
      const before = await under.total()
      expect(await under.mailer.send(mail(own))).toMatchObject({ outcome: 'refused' })
      expect(await under.total()).toBe(before)
    })

    test('an outage is never told as accepted nor as refused, and ends by itself', async () => {
      restore = await under.outage()
      const sent = mail()
      const outcome = await under.mailer.send(sent).then(
        (handOver) => handOver.outcome,
        () => 'unknown',
      )
      expect(['deferred', 'unknown']).toContain(outcome)
      await expect(under.mailer.verify()).rejects.toThrow()

      await restore()
      restore = undefined
      await eventually(async () => (await under.mailer.send(mail())).outcome === 'accepted')
      await under.mailer.verify()
    })

    test.skipIf(gaps.find !== undefined)(
      gaps.find === undefined ? 'tells afterwards what it took' : `cannot tell afterwards what it took: ${gaps.find}`,
      async () => {
        const sent = mail()
        expect(await under.mailer.find?.(sent.messageId)).toBe(false)
        await under.mailer.send(sent)
        expect(await under.mailer.find?.(sent.messageId)).toBe(true)
      },
    )
  })
}
