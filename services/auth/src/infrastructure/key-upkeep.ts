import { serviceContext } from '@ashlar/platform/context'
import { createTicker, type Runtime, type Ticker } from '@ashlar/platform/runtime'
import type { SigningKeys } from './signing-keys.ts'

type Options = {
  signingKeys: SigningKeys
  rotate: (rotation: { ifMadeBefore: Date }) => Promise<unknown>
  /** 0: keys are rotated by hand alone. */
  rotationDays: number
  runtime: Runtime
  everyMs?: number
}

const DAY_MS = 86_400_000

/**
 * Takes up keys that another process has made well before they sign, rotates a key that is old enough, and forgets
 * what nobody needs. Of several processes that find a key too old, one makes the new one.
 */
export const createKeyUpkeep = ({ signingKeys, rotate, rotationDays, runtime, everyMs = 2_000 }: Options): Ticker => {
  const log = runtime.logger('auth')
  const look = async (): Promise<void> => {
    await signingKeys.reload()
    const oldest = new Date(runtime.clock.now().getTime() - rotationDays * DAY_MS)
    const madeAt = signingKeys.newestMadeAt()
    if (rotationDays > 0 && madeAt !== undefined && madeAt <= oldest) {
      await rotate({ ifMadeBefore: oldest })
      log.info('the signing key was rotated by schedule')
    }
    await signingKeys.tidy()
  }
  return createTicker({
    everyMs,
    work: () => runtime.context.run(serviceContext('auth'), look),
    onError: (error) => log.warn({ err: error }, 'signing keys could not be looked after, trying again'),
  })
}
