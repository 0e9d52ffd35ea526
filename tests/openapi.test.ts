import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, root } from './support/instance.ts'

let instance: Instance

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'warn' })
  await instance.start()
})

afterAll(() => instance.remove())

test('the committed document is the one that is served', async () => {
  const served = (await (await fetch(`${instance.url}/openapi.json`)).json()) as Record<string, unknown>
  const committed = JSON.parse(await readFile(join(root, 'docs/generated/openapi.json'), 'utf8')) as typeof served
  expect({ ...served, servers: [] }).toEqual({ ...committed, servers: [] })
})

test('what is not built answers 404, below /api too', async () => {
  for (const path of ['/auth/mfa/verify', '/auth/otp/request', '/notifications/preferences', '/realtime', '/console']) {
    for (const prefix of ['', '/api']) {
      const response = await fetch(`${instance.url}${prefix}${path}`, { method: 'POST' })
      expect([path, response.status]).toEqual([path, 404])
      expect(response.headers.get('content-type')).toContain('application/problem+json')
    }
  }
})
