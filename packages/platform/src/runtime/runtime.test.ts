import { expect, test } from 'vitest'
import { createKeyring } from '../keys/index.ts'
import { createRuntime } from './index.ts'

const keys = createKeyring({ masterKey: Buffer.alloc(32, 1) })

test('a service has one logger and one registry per runtime; two runtimes share nothing', () => {
  const [one, other] = [createRuntime({ keys }), createRuntime({ keys })]
  expect(one.metrics('auth')).toBe(one.metrics('auth'))
  expect(one.logger('auth')).toBe(one.logger('auth'))
  expect(one.metrics('auth')).not.toBe(one.metrics('payments'))
  expect(one.metrics('auth')).not.toBe(other.metrics('auth'))
  expect(one.instanceId).not.toBe(other.instanceId)
})
