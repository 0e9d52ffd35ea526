import type { Result } from '@ashlar/kernel'
import { DependencyUnavailable } from '@ashlar/platform/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { UserId } from '../src/domain/account.ts'
import type { EmailAddress } from '../src/domain/email.ts'
import { peopleConformance } from './auth-store.people.ts'
import { createRig, type StoreUnderTest } from './auth-store.rig.ts'

/** What the use cases rely on, whatever the accounts are stored in. */
export const authStoreConformance = (open: () => Promise<StoreUnderTest>): void => {
  let store: StoreUnderTest
  beforeAll(async () => {
    store = await open()
  })
  afterAll(() => store.close())

  const rig = createRig(() => store)
  const { now, later, fresh, address, newUser, added, opened, times } = rig

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

  test('a user is read with the password and the rights that the last holder of his lock left', async () => {
    const userId = await added('password')
    await store.unitOfWork((tx) => tx.credentials.set(userId, '0', now))
    await times(8, async (tx) => {
      const locked = await tx.users.lockWithPassword(userId)
      await tx.credentials.rehash(userId, String(Number(locked?.passwordHash) + 1))
    })
    await store.unitOfWork((tx) => tx.users.grant(userId, 'auditor'))
    const locked = await store.unitOfWork((tx) => tx.users.lockWithPassword(userId))
    expect(locked).toMatchObject({ passwordHash: '8', user: { id: userId, roles: ['auditor', 'user'] } })
    const without = await added('without-password')
    expect(await store.unitOfWork((tx) => tx.users.lockWithPassword(without))).toBeUndefined()
  })

  test('what was asked for an address is taken once, and by nobody while somebody has it', async () => {
    await store.unitOfWork((tx) => tx.addressRequests.add({ kind: 'password_forgot', email: address('asked') }, now))
    const [waiting] = await store.waitingRequests()
    const id = waiting?.id ?? ''
    expect(waiting?.context.actor).toEqual({ type: 'service', id: 'test' })
    await expect(
      store.unitOfWork(async (tx) => {
        await tx.addressRequests.take(id)
        expect(await store.unitOfWork((other) => other.addressRequests.take(id))).toBeUndefined()
        throw new Error('mail refused')
      }),
    ).rejects.toThrow('mail refused')
    const taken = await times(5, (tx) => tx.addressRequests.take(id))
    expect(taken.filter(Boolean)).toEqual([{ kind: 'password_forgot', email: 'asked@example.test' }])
    expect(await store.waitingRequests()).toEqual([])
  })

  test('mails are counted by address and kind, exactly under the lock of the user, and within both windows', async () => {
    const userId = await added('mailed')
    const limits = { enabled: true, short: { count: 3, ms: 60_000 }, long: { count: 5, ms: 600_000 } }
    const link = { addressHash: 'mailed', kind: 'password-reset' } as const
    const admitted = async (seconds: number, more: Partial<{ addressHash: string }> = {}): Promise<number> => {
      const answers = await times(6, async (tx) => {
        await tx.users.lock({ id: userId })
        return tx.mailedLinks.admit({ ...link, ...more }, new Date(now.getTime() + seconds * 1_000), limits)
      })
      return answers.filter(Boolean).length
    }
    expect(await admitted(0)).toBe(3)
    expect(await admitted(0, { addressHash: 'another' })).toBe(3)
    expect(await admitted(59)).toBe(0)
    expect(await admitted(60)).toBe(2)
    expect(await admitted(599)).toBe(0)
    expect(await admitted(600)).toBe(3)
    const off = { ...limits, enabled: false }
    expect(await store.unitOfWork((tx) => tx.mailedLinks.admit(link, now, off))).toBe(true)
  })

  test('so many kinds of hashes are taken, and those that are known go on being taken', async () => {
    const added = await times(20, (tx, i) => tx.credentials.addKind(`$kind$${i % 10}$`, now))
    expect(new Set(added)).toEqual(new Set([true]))
    const more = []
    for (let i = 10; i < 16; i++) more.push(await store.unitOfWork((tx) => tx.credentials.addKind(`$kind$${i}$`, now)))
    expect(more).toEqual([true, true, false, false, false, false])
    expect(await store.unitOfWork((tx) => tx.credentials.addKind('$kind$3$', now))).toBe(true)
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
    expect(new Set(read.rows.map((row) => row.kind === 'revoked' && row.sessionId)).size).toBe(6)
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

  peopleConformance(() => store, rig)

  test('an outage is said as such, stores nothing, and ends', async () => {
    const restore = await store.outage()
    await expect(store.unitOfWork((tx) => tx.users.add(newUser('outage')))).rejects.toBeInstanceOf(
      DependencyUnavailable,
    )
    await restore()
    expect(await store.unitOfWork((tx) => tx.users.lock({ email: address('outage') }))).toBeUndefined()
  })
}
