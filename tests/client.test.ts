import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Instance, root } from './support/instance.ts'

test('the client in samples plays the whole main job', async () => {
  const instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'warn' })
  await instance.start()
  const client = join(root, 'samples/client/shop.mjs')
  const { stdout } = await promisify(execFile)(process.execPath, [client, instance.url], { env: instance.env })
  expect(stdout.trim().split('\n')).toEqual([
    'registered and verified',
    'signed in as Casey',
    'paid 49.90 EUR: completed',
    '1 completed payment',
    'the trail knows my story',
    'signed out',
  ])
  await instance.remove()
})
