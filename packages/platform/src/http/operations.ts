import type { DependencyHealth, HealthReport } from './types.ts'

export type Checks = Record<string, () => Promise<void>>

/** Longer than this, and a dependency counts as down. */
const CHECK_TIMEOUT_MS = 2_000

/** Asks every dependency at the same time. Why one is down is for the log, not for whoever asks. */
export const checkHealth = async (
  service: string,
  checks: Checks,
  onDown: (dependency: string, error: unknown) => void,
): Promise<HealthReport> => {
  const entries = await Promise.all(
    Object.entries(checks).map(async ([name, check]): Promise<[string, DependencyHealth]> => {
      const began = performance.now()
      try {
        await within(check(), CHECK_TIMEOUT_MS)
        return [name, { status: 'up', latencyMs: elapsed(began) }]
      } catch (error) {
        onDown(name, error)
        return [name, { status: 'down', latencyMs: elapsed(began) }]
      }
    }),
  )
  const dependencies = Object.fromEntries(entries)
  const healthy = entries.every(([, { status }]) => status === 'up')
  return { status: healthy ? 'ok' : 'degraded', service, dependencies }
}

const elapsed = (began: number): number => Math.round((performance.now() - began) * 100) / 100

const within = async (work: Promise<void>, timeoutMs: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${timeoutMs} ms.`)), timeoutMs)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
