import { createMemoryCache } from '@ashlar/platform/cache'
import { expect, test } from 'vitest'
import type { StoredTemplate } from '../../application/ports.ts'
import type { TemplateNeeds, TemplateOrigin, Variables } from '../../domain/template.ts'
import { BUILT_IN_TEMPLATES } from '../../domain/templates/built-in.ts'
import { createTemplateChecker } from './checker.ts'
import { createLimited } from './limits.ts'
import { createRenderer, type ReadyTemplate } from './renderer.ts'

const limits = { maxBytes: 262_144, maxMs: 200 }
const stored: StoredTemplate[] = BUILT_IN_TEMPLATES.map((template) => ({
  ...template,
  version: 1,
  origin: 'built-in',
  createdAt: new Date(),
}))
let loads = 0
const renderer = createRenderer({
  templates: {
    find: async (name, version) => {
      loads += 1
      return stored.find((template) => template.name === name && template.version === version)
    },
    list: async () => stored,
  },
  cache: createMemoryCache<ReadyTemplate>({ name: 'templates', max: 500, ttlMs: 60_000 }),
  limited: createLimited(limits),
  supplied: { product: 'Shop', signInLink: 'https://shop.test' },
})

/** Renders one text in every place, as a stored version of its own. */
const render = (
  text: string,
  variables: Variables,
  needs: TemplateNeeds = { a: 'optional' },
  origin: TemplateOrigin = 'own',
) => {
  const name = `t${stored.length}`
  stored.push({ name, version: 1, subject: text, html: text, text, variables: needs, origin, createdAt: new Date() })
  return renderer.render(name, 1, variables)
}

const filled = (needs: TemplateNeeds, value: string): Variables =>
  Object.fromEntries(Object.keys(needs).map((name) => [name, value]))

test.each(BUILT_IN_TEMPLATES.map((built) => [built.name, built] as const))(
  '%s renders with everything and with what is required only, small and complete',
  async (name, { variables }) => {
    const full = await renderer.render(name, 1, filled(variables, 'value'))
    const required = Object.entries(variables).flatMap(([variable, need]) =>
      need === 'required' ? [[variable, 'v']] : [],
    )
    const bare = await renderer.render(name, 1, Object.fromEntries(required))
    for (const mail of [full, bare]) {
      expect(mail.subject).not.toBe('')
      expect(mail.html).toMatch(/^<!doctype html>[\s\S]*<html lang="en"[\s\S]*<h1>[^<]+<\/h1>[\s\S]*<\/html>\s*$/)
      expect(mail.html).not.toMatch(/<img|src=|@import|url\(/)
      expect(Buffer.byteLength(mail.html)).toBeLessThan(8_000)
      expect(`${mail.subject}${mail.html}${mail.text}`).not.toContain('{{')
      expect(mail.text).toMatch(/Shop\n$/)
    }
    expect(full.text).toContain('value')
  },
)

test('a version is loaded and compiled once, however many messages ask for it at once', async () => {
  stored.push({ ...(stored[0] as StoredTemplate), name: 'once' })
  const before = loads
  const variables = filled(stored[0]?.variables ?? {}, 'v')
  await Promise.all(Array.from({ length: 50 }, () => renderer.render('once', 1, variables)))
  await renderer.render('once', 1, variables)
  expect(loads - before).toBe(1)
  await expect(renderer.render('once', 2, variables)).rejects.toThrow('no version 2')
})

test('escapes in html only', async () => {
  const mail = await render('{{a}}', { a: `<b>"Tom" & 'Eve'</b>` })
  expect(mail.html).toBe('&lt;b&gt;&quot;Tom&quot; &amp; &#x27;Eve&#x27;&lt;/b&gt;')
  expect(mail.text).toBe(`<b>"Tom" & 'Eve'</b>`)
})

test('a subject and a variable never hold a line break', async () => {
  const mail = await render('Hi {{a}}\nthere', { a: 'Eve\r\nBcc: all@x.test\u2028\u0000!' })
  expect(mail.subject).toBe('Hi Eve Bcc: all@x.test ! there')
  expect(mail.text).toBe('Hi Eve Bcc: all@x.test !\nthere')
})

test.each(['{{constructor}}', '{{__proto__}}', '{{a.constructor.name}}', '{{toString}}', '{{other}}'])(
  'reaches nothing but the declared variables: %s',
  async (text) => {
    await expect(render(text, { a: 'x' })).rejects.toThrow()
  },
)

test.each(['{{lookup this "a"}}', '{{log a}}', '{{#with a}}x{{/with}}', '{{own a}}', '{{helperMissing a}}'])(
  'knows no helper but if, unless and each: %s',
  async (text) => {
    await expect(render(text, { a: 'x' })).rejects.toThrow()
  },
)

test('a required variable that is missing and a value that is no text are refused', async () => {
  await expect(render('{{a}}', {}, { a: 'required' })).rejects.toThrow('the variable a is missing')
  const program = { type: 'Program', body: [] } as unknown as string
  await expect(render('{{a}}', { a: program })).rejects.toThrow('is no text')
})

test.each(['own', 'built-in'] as const)('output of an %s template above the limit is refused', async (origin) => {
  const long = 'x'.repeat(300_000)
  await expect(render('{{a}}', { a: long }, undefined, origin)).rejects.toThrow('more than 262144 bytes')
})

test('an own template that takes too long is ended, and the next one renders', async () => {
  const endless = createLimited({ ...limits, maxMs: 50 })
  const startedAt = performance.now()
  expect(() =>
    endless(
      () => {
        for (;;);
      },
      {},
      false,
    ),
  ).toThrow('timed out')
  expect(performance.now() - startedAt).toBeLessThan(2_000)
  expect(endless(() => ({ subject: 's', html: 'h', text: 't' }), {}, false).text).toBe('t')
})

const checker = createTemplateChecker(createLimited(limits))
const good = { subject: 'Hello {{name}}', html: '<p>{{name}}</p>', text: '{{name}}' }

test('the texts tell which variables they need', () => {
  expect(
    checker.check({
      subject: '{{!-- a note --}}Order {{order}}',
      html: '{{#> layout heading="Hi"}}{{#if firstName}}{{firstName}}{{else}}you{{/if}}{{> button label="Go" link=url}}{{/layout}}',
      text: '{{#unless quiet}}{{product}}{{/unless}}',
    }),
  ).toEqual({
    needs: { firstName: 'optional', order: 'required', product: 'required', quiet: 'optional', url: 'required' },
  })
})

test.each([
  ['subject', '{{#if}}x{{/if}}'],
  ['subject', '{{> layout}}'],
  ['text', '{{name'],
  ['text', '{{#if name}}x'],
  ['text', '{{#each name}}x{{/each}}'],
  ['text', '{{> button label="x" link=name}}'],
  ['html', '{{{name}}}'],
  ['html', '{{&name}}'],
  ['html', '{{name.length}}'],
  ['html', '{{../name}}'],
  ['html', '{{this}}'],
  ['html', '{{@root.name}}'],
  ['html', '{{[name]}}x{{[a b]}}'],
  ['html', '{{constructor}}'],
  ['html', '{{__proto__}}'],
  ['html', '{{lookup name "x"}}'],
  ['html', '{{name "x"}}'],
  ['html', '{{"name"}}'],
  ['html', '{{(lookup name "x")}}'],
  ['html', '{{#if (lookup name "x")}}x{{/if}}'],
  ['html', '{{#if name as |n|}}x{{/if}}'],
  ['html', '{{#name}}x{{/name}}'],
  ['html', '{{^name}}x{{/name}}'],
  ['html', '{{> other}}'],
  ['html', '{{> (lookup name "x")}}'],
  ['html', '{{> button label=(lookup name "x") link=name}}'],
  ['html', '{{> button label="x" link=name extra=name}}'],
  ['html', '{{> @partial-block}}'],
  ['html', '{{#*inline "layout"}}{{> layout}}{{/inline}}{{> layout}}'],
  ['html', '{{* decorate}}'],
  ['html', `${'{{#if name}}'.repeat(25)}x${'{{/if}}'.repeat(25)}`],
  ['html', `${'{{#if name}}'.repeat(9_000)}`],
  ['html', 'x'.repeat(270_000)],
])('a %s that is not offered is refused with its place: %.60s', (field, text) => {
  const result = checker.check({ ...good, [field]: text })
  expect(result).toMatchObject({ flaws: [{ field, detail: expect.stringMatching(/./) }] })
})

test('an own version of a template that events fill may use only what those events have', () => {
  const needs = { product: 'required', amount: 'required', firstName: 'optional' } as const
  expect(checker.check({ ...good, subject: '{{amount}}' }, needs)).toMatchObject({
    flaws: [{ field: 'html', detail: 'name is no variable of this template; it has product, amount, firstName' }, {}],
  })
  expect(checker.check({ subject: '{{amount}}', html: '{{firstName}}', text: 'Hi' }, needs)).toEqual({ needs })
})
