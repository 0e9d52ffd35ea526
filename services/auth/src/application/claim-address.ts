import type { User } from '../domain/account.ts'
import type { AuthTx } from './ports.ts'

type Claimant = Parameters<AuthTx['users']['add']>[0]

/** The user of an address, locked; made now where nobody had it. Whoever is deleted between the two steps frees it. */
export const claimAddress = async (tx: AuthTx, claimant: Claimant): Promise<{ user: User; isNew: boolean }> => {
  for (;;) {
    const isNew = await tx.users.add(claimant)
    const user = await tx.users.lock({ email: claimant.email })
    if (user) return { user, isNew }
  }
}
