import { expect, test } from 'vitest'
import { createContextStore, formatActor, parseActor, serviceContext } from './index.ts'

test('work sees its own context, also after it awaited, and none outside', async () => {
  const store = createContextStore()
  const seen = await Promise.all(
    ['a', 'b'].map((requestId) =>
      store.run({ ...serviceContext('x'), requestId }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        return store.current().requestId
      }),
    ),
  )
  expect(seen).toEqual(['a', 'b'])
  expect(store.find()).toBeUndefined()
  expect(() => store.current()).toThrow('no execution context')
})

test('two stores do not see each other', () => {
  const [one, other] = [createContextStore(), createContextStore()]
  one.run(serviceContext('x'), () => expect(other.find()).toBeUndefined())
})

test('work that comes from a request keeps its id, span and actor', () => {
  const origin = serviceContext('gateway')
  const actor = { type: 'user', id: 'u:1' } as const
  const context = serviceContext('auth', { requestId: 'r1', traceparent: origin.traceparent, actor })
  expect(context).toMatchObject({ requestId: 'r1', actor })
  expect(context.traceparent).toBe(origin.traceparent)
})

test('an actor survives its one-word form, and what is none is refused', () => {
  for (const actor of [{ type: 'user', id: 'a:b' } as const, { type: 'anonymous', id: '' } as const]) {
    expect(parseActor(formatActor(actor))).toEqual(actor)
  }
  for (const text of ['', 'user', 'robot:1', ':x']) expect(parseActor(text)).toBeUndefined()
})
