import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

test('a reader that leaves early, like head, is no failure of the command', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'cli.ts'), '--help'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.destroy()
  const [told, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  expect(told).toBe('')
  expect(code).toBe(0)
})
