import { uuidv7 } from '@ashlar/kernel'
import type { ExecutionContext } from '@ashlar/platform/context'
import type { Revocation } from '@ashlar/platform/tokens'
import type { AuthTx, Work } from '../src/application/ports.ts'
import type { SessionId, UserId } from '../src/domain/account.ts'
import { type EmailAddress, parseEmail } from '../src/domain/email.ts'

export type StoreUnderTest = {
  /** Runs inside an execution context. */
  unitOfWork: Work
  revocationsSince(sequence: number): Promise<{ rows: Revocation[]; lastSequence: number }>
  waitingRequests(): Promise<{ id: string; context: ExecutionContext }[]>
  /** Makes the store unreachable until the answer is called. */
  outage(): Promise<() => Promise<void>>
  close(): Promise<void>
}

/** What the tests of a store make in it. `store` is asked each time: it is opened after the tests are declared. */
export const createRig = (store: () => StoreUnderTest) => {
  const now = new Date('2026-11-21T12:00:00Z')
  const later = new Date('2026-11-22T12:00:00Z')
  const fresh = (): Buffer => Buffer.from(uuidv7())
  const address = (name: string): EmailAddress => (parseEmail(`${name}@example.test`) as { value: EmailAddress }).value
  const newUser = (name: string) => ({
    id: uuidv7() as UserId,
    email: address(name),
    firstName: null,
    lastName: null,
    createdAt: now,
  })
  const added = async (name: string): Promise<UserId> => {
    const user = newUser(name)
    await store().unitOfWork((tx) => tx.users.add(user))
    return user.id
  }
  const session = (userId: UserId) => ({
    id: uuidv7() as SessionId,
    userId,
    amr: ['pwd'],
    authTime: now,
    ipAddress: null,
    userAgent: null,
    absoluteExpiresAt: later,
  })
  const opened = async (userId: UserId): Promise<{ id: SessionId; hash: Buffer }> => {
    const [row, hash] = [session(userId), fresh()]
    await store().unitOfWork((tx) => tx.sessions.open(row, { hash, createdAt: now, expiresAt: later }))
    return { id: row.id, hash }
  }
  const times = <T>(count: number, work: (tx: AuthTx, index: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, i) => store().unitOfWork((tx) => work(tx, i))))

  return { now, later, fresh, address, newUser, added, session, opened, times }
}

export type Rig = ReturnType<typeof createRig>
