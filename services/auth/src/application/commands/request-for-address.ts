import { type Clock, ok, type Result } from '@ashlar/kernel'
import type { AddressRequest, Work } from '../ports.ts'

type Deps = {
  unitOfWork: Work
  /** Somebody is to look at what was asked. */
  wakeRequests: () => void
  clock: Clock
}

/**
 * Takes down what was asked for an address, and nothing more: whether it has an account is looked up behind the
 * answer, so neither the answer nor its time can tell. There is no refusal.
 */
export const requestForAddress =
  ({ unitOfWork, wakeRequests, clock }: Deps) =>
  async (request: AddressRequest): Promise<Result<void, never>> => {
    await unitOfWork((tx) => tx.addressRequests.add(request, clock.now()))
    wakeRequests()
    return ok(undefined)
  }
