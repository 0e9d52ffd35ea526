import type { Contact, Repositories } from '../ports.ts'

/** Remembers where a user is reached. Events of one user arrive in order, so the last one told is the newest. */
export const keepContact = async (tx: Repositories, user: Contact & { userId: string }): Promise<void> => {
  const { userId, email, firstName, lastName } = user
  await tx.contacts.save(userId, { email, firstName, lastName })
}
