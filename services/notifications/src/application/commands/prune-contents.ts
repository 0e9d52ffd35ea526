import { serviceContext } from '@ashlar/platform/context'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import type { Repositories } from '../ports.ts'

const BATCH = 1_000

/** Drops what messages said, and the development mailbox, once older than `days`; in batches, so that no lock lasts. */
export const pruneContents =
  ({ runtime, unitOfWork, days }: { runtime: Runtime; unitOfWork: UnitOfWork<Repositories>; days: number }) =>
  (): Promise<{ contents: number; mailbox: number }> =>
    runtime.context.run(serviceContext('notifications'), async () => {
      const all = async (drop: (tx: Repositories) => Promise<number>): Promise<number> => {
        let total = 0
        for (let dropped = BATCH; dropped === BATCH; total += dropped) dropped = await unitOfWork(drop)
        return total
      }
      return {
        contents: await all((tx) => tx.contents.dropOlderThan(days, BATCH)),
        mailbox: await all((tx) => tx.mailbox.dropOlderThan(days, BATCH)),
      }
    })
