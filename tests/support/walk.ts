import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Instance, type Run, root } from './instance.ts'

/** The shell blocks of a page, in order. */
export const blocksOf = (page: string): string[] =>
  [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block ?? '')

/**
 * Runs the blocks of a page as one script that stops at the first failure. The page speaks of port 3000 and the
 * default data directory; a test may claim neither, so the address is replaced and the environment tells the rest.
 */
export const runBlocks = async (instance: Instance, blocks: readonly string[]): Promise<Run> => {
  const script = blocks.join('\n').replaceAll('localhost:3000', `localhost:${instance.port}`)
  const PATH = `${join(root, 'node_modules/.bin')}:${process.env.PATH}`
  try {
    const options = { cwd: root, env: { ...instance.env, PATH }, maxBuffer: 16 * 1024 * 1024 }
    const { stdout, stderr } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], options)
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code: number; stdout?: string; stderr?: string }
    return { code, stdout, stderr }
  }
}
