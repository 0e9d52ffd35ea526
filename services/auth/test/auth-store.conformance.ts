import { type Result, uuidv7 } from '@ashlar/kernel'
import { DependencyUnavailable } from '@ashlar/platform/postgres'
import type { Revocation } from '@ashlar/platform/tokens'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AuthTx, Work } from '../src/application/ports.ts'
import type { SessionId, UserId } from '../src/domain/account.ts'
import { type EmailAddress, parseEmail } from '../src/domain/email.ts'

export type StoreUnderTest = {
  /** Runs inside an execution context. */
  unitOfWork: Work
  revocationsSince(sequence: number): Promise<{ rows: Revocation[]; lastSequence: number }>
  /** Makes the store unreachable until the answer is called. */
  outage(): Promise<() => Promise<void>>
  close(): Promise<void>
}

/** What the use cases rely on, whatever the accounts are stored in. */
export const authStoreConformance = (open: () => Promise<StoreUnderTest>): void => {
  let store: StoreUnderTest
  beforeAll(async () => {
    store = await open()
  })
  afterAll(() => store.close())

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
    await store.unitOfWork((tx) => tx.users.add(user))
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
    await store.unitOfWork((tx) => tx.sessions.open(row, { hash, createdAt: now, expiresAt: later }))
    return { id: row.id, hash }
  }
  const times = <T>(count: number, work: (tx: AuthTx, index: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, i) => store.unitOfWork((tx) => work(tx, i))))

  test('a refusal that is returned commits, a throw stores nothing', async () => {
    const [kept, lost] = [newUser('kept'), newUser('lost')]
    const refused: Result<never, string> = await store.unitOfWork(async (tx) => {
      await tx.users.add(kept)
      return { ok: false, error: 'refused' }
    })
    expect(refused.ok).toBe(false)
    const throwing = store.unitOfWork(async (tx) => {
      await tx.users.add(lost)
      throw new Error('broken')
    })
    await expect(throwing).rejects.toThrow('broken')
    const find = (email: EmailAddress) => store.unitOfWork((tx) => tx.users.lock({ email }))
    expect(await find(kept.email)).toMatchObject({ id: kept.id, version: 1, isActive: true, emailVerifiedAt: null })
    expect(await find(lost.email)).toBeUndefined()
  })

  test('an address is taken once, however many ask at the same time', async () => {
    const results = await times(10, (tx) => tx.users.add(newUser('taken')))
    expect(results.filter(Boolean)).toHaveLength(1)
  })

  test('a lock is waited for, and what its holder wrote is seen', async () => {
    const id = await added('locked')
    await times(10, async (tx) => {
      const user = await tx.users.lock({ id })
      if (user) await tx.users.update({ ...user, version: user.version + 1 })
    })
    expect((await store.unitOfWork((tx) => tx.users.lock({ id })))?.version).toBe(11)
  })

  test('a link is consumed once and takes the others with it; an expired one takes nothing', async () => {
    const userId = await added('linked')
    const claim = (passwordHash: string) => ({ passwordHash, firstName: null, lastName: null, userId, createdAt: now })
    const [first, second] = [fresh(), fresh()]
    await times(1, async (tx) => {
      await tx.registrations.add({ ...claim('one'), linkHash: first, expiresAt: later })
      await tx.registrations.add({ ...claim('two'), linkHash: second, expiresAt: later })
    })
    const expired = await store.unitOfWork((tx) => tx.registrations.consume(userId, first, later))
    expect(expired).toBeUndefined()
    const results = await times(8, async (tx, i) => {
      await tx.users.lock({ id: userId })
      return tx.registrations.consume(userId, i % 2 ? first : second, now)
    })
    expect(results.filter((result) => result !== undefined)).toHaveLength(1)
    expect(await store.unitOfWork((tx) => tx.registrations.ownerOf(second))).toBeUndefined()
  })

  test('a verified user gets no further link', async () => {
    const userId = await added('proven')
    const linkHash = fresh()
    await store.unitOfWork(async (tx) => {
      const user = await tx.users.lock({ id: userId })
      if (user) await tx.users.update({ ...user, emailVerifiedAt: now })
      const claim = { passwordHash: 'x', firstName: null, lastName: null, userId, createdAt: now, expiresAt: later }
      await tx.registrations.add({ ...claim, linkHash })
    })
    const link = { linkHash: fresh(), createdAt: now, expiresAt: later }
    expect(await store.unitOfWork((tx) => tx.registrations.renew(address('proven'), link))).toBeUndefined()
    expect(await store.unitOfWork((tx) => tx.registrations.ownerOf(linkHash))).toBeUndefined()
  })

  test('a reset token is consumed once', async () => {
    const userId = await added('reset')
    const hash = fresh()
    await store.unitOfWork((tx) => tx.resetTokens.add({ hash, userId, createdAt: now, expiresAt: later }))
    const results = await times(8, (tx) => tx.resetTokens.consume(userId, hash, now))
    expect(results.filter(Boolean)).toHaveLength(1)
  })

  test('a refresh token is held by one at a time, and who waited sees the rotation', async () => {
    const { hash } = await opened(await added('rotated'))
    const rotations = await times(10, async (tx) => {
      const current = await tx.refreshTokens.lock(hash)
      if (!current || current.consumedAt !== null) return current?.successorSealed?.toString()
      const successor = { hash: fresh(), createdAt: now, expiresAt: later, sealed: Buffer.from('sealed') }
      await tx.refreshTokens.rotate(current, successor)
      return 'rotated'
    })
    expect(rotations.sort()).toEqual(['rotated', ...Array(9).fill('sealed')])
  })

  test('rights are as the last holder of the session’s lock left them', async () => {
    const userId = await added('promoted')
    const { hash, id } = await opened(userId)
    await store.unitOfWork(async (tx) => {
      await tx.users.grant(userId, 'auditor')
      await tx.sessions.markStale(userId, now)
    })
    const locked = await store.unitOfWork((tx) => tx.refreshTokens.lock(hash))
    expect(locked?.grant).toMatchObject({ sessionId: id, rightsVersion: 2, roles: ['auditor', 'user'] })
    expect(locked?.grant.permissions).toContain('audit:read')
  })

  test('sessions end once, and each end is a revocation that readers get in the order of sequences', async () => {
    const userId = await added('ended')
    const sessions = await Promise.all(Array.from({ length: 6 }, () => opened(userId)))
    const { lastSequence } = await store.revocationsSince(0)
    const which = (i: number) => (i % 2 ? { userId, id: sessions[i]?.id } : { userId })
    const ended = (await times(6, (tx, i) => tx.sessions.end(which(i), 'logout', now))).flat()
    expect(ended.map(({ id }) => id).sort()).toEqual(sessions.map(({ id }) => id).sort())

    const read = await store.revocationsSince(lastSequence)
    expect(read.rows.map(({ sequence }) => sequence)).toEqual(read.rows.map((_, i) => lastSequence + 1 + i))
    expect(read.lastSequence).toBe(lastSequence + 6)
    expect(new Set(read.rows.map(({ sessionId }) => sessionId)).size).toBe(6)
    for (const { expiresAt } of read.rows) expect(expiresAt.getTime()).toBeGreaterThan(now.getTime())
  })

  test('a reader that trusts its cursor misses nothing that commits late', async () => {
    const users = await Promise.all(Array.from({ length: 12 }, (_, i) => added(`cursor${i}`)))
    await Promise.all(users.map(opened))
    const { lastSequence: from } = await store.revocationsSince(0)
    const seen: number[] = []
    let cursor = from
    const reading = (async () => {
      while (cursor < from + users.length) {
        const { rows, lastSequence } = await store.revocationsSince(cursor)
        seen.push(...rows.map(({ sequence }) => sequence))
        cursor = lastSequence
      }
    })()
    // The later ones commit first: a sequence that was given before its commit would be skipped.
    const slowly = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
    await times(users.length, async (tx, i) => {
      await tx.sessions.end({ userId: users[i] as UserId }, 'logout', now)
      await slowly(20 - i)
    })
    await reading
    expect(seen).toEqual(users.map((_, i) => from + 1 + i))
  })

  test('an outage is said as such, stores nothing, and ends', async () => {
    const restore = await store.outage()
    await expect(store.unitOfWork((tx) => tx.users.add(newUser('outage')))).rejects.toBeInstanceOf(
      DependencyUnavailable,
    )
    await restore()
    expect(await store.unitOfWork((tx) => tx.users.lock({ email: address('outage') }))).toBeUndefined()
  })
}
