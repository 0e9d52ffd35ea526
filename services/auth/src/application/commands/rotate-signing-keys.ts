import type { Clock } from '@ashlar/kernel'
import { signingKeyRotated } from '../../contract.ts'
import { type KeyLifetimes, planKey, publishedUntil } from '../../domain/signing-key.ts'
import type { MakeSigningKey, Work } from '../ports.ts'

type Deps = { unitOfWork: Work; makeSigningKey: MakeSigningKey; keyLifetimes: KeyLifetimes; clock: Clock }

/** `ifMadeBefore`: does nothing while the newest key is younger, which tells of itself instead. */
export type Rotation = { ifMadeBefore?: Date }

/**
 * Makes a new signing key: published at once, it signs from `activeAt` on. The one before it is published until its
 * last token is over. Several who rotate at once do so one after the other.
 */
export const rotateSigningKeys =
  ({ unitOfWork, makeSigningKey, keyLifetimes, clock }: Deps) =>
  async ({ ifMadeBefore }: Rotation = {}): Promise<{ kid: string; activeAt: Date }> => {
    const made = await makeSigningKey()
    return unitOfWork(async (tx) => {
      const now = clock.now()
      const newest = await tx.signingKeys.lockNewest()
      if (newest && ifMadeBefore && newest.createdAt > ifMadeBefore) {
        return { kid: newest.kid, activeAt: newest.notBefore }
      }
      const activeAt = planKey(newest, now, keyLifetimes)
      await tx.signingKeys.add({ ...made, notBefore: activeAt, createdAt: now })
      if (newest) {
        await tx.signingKeys.expire(newest.kid, publishedUntil(activeAt, keyLifetimes))
        const times = { activeAt: activeAt.toISOString(), timestamp: now.toISOString() }
        const data = { kid: made.kid, previousKid: newest.kid, ...times }
        await tx.outbox.append(signingKeyRotated.of({ subject: made.kid, data }))
      }
      return { kid: made.kid, activeAt }
    })
  }
