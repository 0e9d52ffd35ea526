import type { ContentSeal, Repositories } from '../ports.ts'

/**
 * Forgets a person who was deleted: his contact, what waits for him, and every address and word that is kept of him.
 * The messages themselves stay, with their templates and times, under his bare id.
 */
export const eraseUser =
  ({ seal }: { seal: Pick<ContentSeal, 'hashAddress'> }) =>
  async (tx: Repositories, { userId }: { userId: string }): Promise<void> => {
    const email = await tx.contacts.erase(userId)
    const addressHash = email === undefined ? undefined : seal.hashAddress(email)
    await tx.notifications.suppressQueued({ userId }, 'user_deleted')
    if (addressHash !== undefined) await tx.notifications.suppressQueued({ addressHash }, 'user_deleted')
    await tx.erasure.forget({ userId, addressHash })
  }
