import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, root } from './support/instance.ts'
import { blocksOf, runBlocks } from './support/walk.ts'

let instance: Instance

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'warn' })
  await instance.start()
})

afterAll(() => instance.remove())

test.each(['authentication', 'messaging', 'caching', 'audit-pipeline'])(
  'the walk through %s runs to the letter',
  async (name) => {
    const page = await readFile(join(root, 'docs/showcase', `${name}.md`), 'utf8')
    const blocks = blocksOf(page)
    expect(blocks.length).toBeGreaterThan(3)
    const { code, stdout, stderr } = await runBlocks(instance, blocks)
    expect([code, code === 0 ? '' : `${stdout}\n${stderr}`]).toEqual([0, ''])
  },
)
