import { expect, test } from 'vitest'
import type { Template, Variables } from '../../domain/template.ts'
import { BUILT_IN_TEMPLATES } from '../../domain/templates/built-in.ts'
import { createRenderer } from './renderer.ts'

const renderer = createRenderer({ maxBytes: 256 * 1024, maxMs: 200, cachedTemplates: 100 })
const template = (text: string, variables: Template['variables'] = { a: 'optional' }): Template => ({
  name: `test-${text.length}-${text.slice(0, 40)}`,
  version: 1,
  variables,
  subject: text,
  html: text,
  text,
})
const filled = (of: Template, value = 'x'): Variables =>
  Object.fromEntries(Object.keys(of.variables).map((name) => [name, value]))

test.each(BUILT_IN_TEMPLATES.map((built) => [built.name, built] as const))(
  '%s renders with everything and with what is required only, small and complete',
  (_name, built) => {
    const full = renderer.render(built, filled(built, 'value'))
    const bare = renderer.render(
      built,
      Object.fromEntries(
        Object.entries(built.variables).flatMap(([name, need]) => (need === 'required' ? [[name, 'v']] : [])),
      ),
    )
    for (const mail of [full, bare]) {
      expect(mail.subject).not.toBe('')
      expect(mail.html).toMatch(/^<!doctype html>[\s\S]*<html lang="en"[\s\S]*<h1>[\s\S]*<\/html>\s*$/)
      expect(mail.html).not.toMatch(/<img|src=|@import|url\(/)
      expect(Buffer.byteLength(mail.html)).toBeLessThan(8_000)
      expect(`${mail.subject}${mail.html}${mail.text}`).not.toContain('{{')
    }
    expect(full.text).toContain('value')
  },
)

test('escapes in html only', () => {
  const mail = renderer.render(template('{{a}}'), { a: `<b>"Tom" & 'Eve'</b>` })
  expect(mail.html).toBe('&lt;b&gt;&quot;Tom&quot; &amp; &#x27;Eve&#x27;&lt;/b&gt;')
  expect(mail.text).toBe(`<b>"Tom" & 'Eve'</b>`)
})

test('a subject and a variable never hold a line break', () => {
  const mail = renderer.render(template('Hi {{a}}\nthere'), { a: 'Eve\r\nBcc: all@x.test\u2028\u0000!' })
  expect(mail.subject).toBe('Hi Eve Bcc: all@x.test ! there')
  expect(mail.text).toBe('Hi Eve Bcc: all@x.test !\nthere')
})

test.each(['{{constructor}}', '{{__proto__}}', '{{a.constructor.name}}', '{{toString}}', '{{other}}'])(
  'reaches nothing but the declared variables: %s',
  (text) => {
    expect(() => renderer.render(template(text), { a: 'x' })).toThrow()
  },
)

test.each(['{{lookup this "a"}}', '{{log a}}', '{{#with a}}x{{/with}}', '{{own a}}', '{{helperMissing a}}'])(
  'knows no helper but if, unless and each: %s',
  (text) => {
    expect(() => renderer.render(template(text), { a: 'x' })).toThrow()
  },
)

test('a required variable that is missing and a value that is no text are refused', () => {
  expect(() => renderer.render(template('{{a}}', { a: 'required' }), {})).toThrow('lacks its variable a')
  const program = { type: 'Program', body: [] } as unknown as string
  expect(() => renderer.render(template('{{a}}'), { a: program })).toThrow('is no text')
})

test('output above the limit is refused', () => {
  expect(() => renderer.render(template('{{a}}'), { a: 'x'.repeat(300_000) })).toThrow('more than 262144 bytes')
})
