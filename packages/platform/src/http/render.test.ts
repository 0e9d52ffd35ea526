import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineRoute } from '../contract/index.ts'
import { createRenderer } from './render.ts'

const item = z.object({ id: z.string(), at: z.string().min(2) })
const route = defineRoute({
  method: 'GET',
  path: '/things',
  summary: 'A thing',
  access: 'public',
  responses: { 200: item, 201: z.object({ id: z.string() }), 204: null },
})
const bodyOf = (render: ReturnType<typeof createRenderer>, status: number, body: unknown) =>
  render({ status, body }).body

test('what the contract does not name never leaves, frozen or not', () => {
  const render = createRenderer('thing', route)
  const body = { id: '1', at: 'now', secret: 'x' }
  expect(bodyOf(render, 200, body)).toBe('{"id":"1","at":"now"}')
  const frozen = Object.freeze({ ...body })
  expect([bodyOf(render, 200, frozen), bodyOf(render, 200, frozen)]).toEqual(Array(2).fill('{"id":"1","at":"now"}'))
  // The same body under another status has another contract.
  expect(bodyOf(render, 201, frozen)).toBe('{"id":"1"}')
})

test('a body that may still change is written anew each time', () => {
  const render = createRenderer('thing', route)
  const body = { id: '1', at: 'now' }
  render({ status: 200, body })
  body.id = '2'
  expect(bodyOf(render, 200, body)).toBe('{"id":"2","at":"now"}')
})

test('an answer that breaks its contract throws, as often as it is given', () => {
  const render = createRenderer('thing', route)
  const broken = Object.freeze({ id: '1', at: 'x' })
  for (let at = 0; at < 2; at += 1) expect(() => render({ status: 200, body: broken })).toThrow('/at (too_small)')
  expect(() => render({ status: 500, body: {} })).toThrow('is not in its contract')
})
