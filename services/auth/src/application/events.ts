import type { NewEvent } from '@ashlar/platform/events'
import { mailRequested, sessionRevoked } from '../contract.ts'
import type { EndReason, User } from '../domain/account.ts'
import type { EndedSession, LinkKind, SealMail } from './ports.ts'

type Addressee = Pick<User, 'id' | 'email'>

/** Asks for a mail to the address of a user, greeting by the name that was given with this very request. */
export const requestMail = (
  seal: SealMail,
  mail: { template: LinkKind; to: Addressee; firstName: string | null; token?: string; expiresAt: Date },
): NewEvent =>
  mailRequested.of({
    subject: mail.to.id,
    data: {
      template: mail.template,
      userId: mail.to.id,
      email: mail.to.email,
      firstName: mail.firstName,
      ...seal(mail.token === undefined ? {} : { token: mail.token }),
      expiresAt: mail.expiresAt.toISOString(),
    },
  })

// Each session has its row in the trail. Somebody who signed in a thousand times must not hold up everybody's events.
const MOST_TOLD = 100

/** One event per session, up to a hundred of them. */
export const sessionsRevoked = (sessions: readonly EndedSession[], reason: EndReason, now: Date): NewEvent[] =>
  sessions
    .slice(0, MOST_TOLD)
    .map(({ id, userId }) =>
      sessionRevoked.of({ subject: id, data: { userId, sessionId: id, reason, timestamp: now.toISOString() } }),
    )

/** The person of a user event as it is after the change that the event tells of. */
export const personOf = (user: User, now: Date) => ({
  userId: user.id,
  email: user.email,
  firstName: user.firstName,
  lastName: user.lastName,
  timestamp: now.toISOString(),
})
