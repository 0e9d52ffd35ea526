import { type Result, uuidv7 } from '@ashlar/kernel'
import type { ExecutionContext } from '@ashlar/platform/context'
import { DependencyUnavailable } from '@ashlar/platform/postgres'
import type { Revocation } from '@ashlar/platform/tokens'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimAddress } from '../src/application/claim-address.ts'
import type { AuthTx, Work } from '../src/application/ports.ts'
import type { SessionId, UserId } from '../src/domain/account.ts'
import { type EmailAddress, parseEmail } from '../src/domain/email.ts'
import { sizeOf } from '../src/domain/rights.ts'

export type StoreUnderTest = {
  /** Runs inside an execution context. */
  unitOfWork: Work
  revocationsSince(sequence: number): Promise<{ rows: Revocation[]; lastSequence: number }>
  waitingRequests(): Promise<{ id: string; context: ExecutionContext }[]>
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

  test('users who are locked together are locked in one order, and a missing one is left out', async () => {
    const ids = [await added('pair-a'), await added('pair-b')]
    const missing = uuidv7() as UserId
    await times(10, async (tx, i) => {
      const locked = await tx.users.lockAll(i % 2 ? ids : [missing, ...ids.toReversed()])
      for (const user of locked) await tx.users.update({ ...user, version: user.version + 1 })
    })
    const users = await store.unitOfWork((tx) => tx.users.lockAll(ids))
    expect(users.map(({ version }) => version)).toEqual([11, 11])
  })

  test('a role is added once, and its version is the sequence that verifiers are told', async () => {
    const { lastSequence: from } = await store.revocationsSince(0)
    const role = { name: 'shipper', permissions: ['orders:read', 'orders:ship'] }
    const results = await times(6, (tx) => tx.roles.add(role, now))
    expect(results.filter(Boolean)).toHaveLength(1)
    const userId = await added('shipper')
    await store.unitOfWork((tx) => tx.users.setRoles(userId, ['shipper']))
    await store.unitOfWork(async (tx) => {
      expect(await tx.roles.lock('shipper', 'change')).toMatchObject({ ...role, builtIn: false })
      await tx.roles.change('shipper', ['orders:read'], later)
    })
    const { rows } = await store.revocationsSince(from)
    expect(rows.map((row) => row.kind === 'role' && row.role)).toEqual(['shipper', 'shipper'])
    const rights = await store.unitOfWork((tx) => tx.users.rights(userId))
    const rolesVersion = rows.at(-1)?.sequence
    expect(rights).toEqual({ roles: ['shipper'], permissions: ['orders:read'], rolesVersion })
  })

  test('a role that is assigned and removed at once is held by nobody afterwards, and nobody waits for ever', async () => {
    const users = await Promise.all(Array.from({ length: 6 }, (_, i) => added(`fleeting${i}`)))
    await store.unitOfWork((tx) => tx.roles.add({ name: 'fleeting', permissions: ['orders:read'] }, now))
    await times(users.length + 1, async (tx, i) => {
      const userId = users[i]
      if (userId) {
        await tx.users.lock({ id: userId })
        const held = await tx.roles.hold(['fleeting', 'user'])
        await tx.users.setRoles(
          userId,
          held.map(({ name }) => name),
        )
        await tx.sessions.markStale(userId, now)
      } else if (await tx.roles.lock('fleeting', 'removal')) await tx.roles.remove('fleeting', now)
    })
    for (const id of users) {
      expect((await store.unitOfWork((tx) => tx.users.rights(id))).roles).toEqual(['user'])
    }
    expect(await store.unitOfWork((tx) => tx.roles.hold(['fleeting']))).toEqual([])
  })

  test('a removal waits for a role that is held', async () => {
    await store.unitOfWork((tx) => tx.roles.add({ name: 'held', permissions: [] }, now))
    const order: string[] = []
    let isHeld = (): void => undefined
    const held = new Promise<void>((resolve) => {
      isHeld = resolve
    })
    await Promise.all([
      store.unitOfWork(async (tx) => {
        await tx.roles.hold(['held'])
        isHeld()
        await new Promise((resolve) => setTimeout(resolve, 100))
        order.push('let go')
      }),
      held.then(() =>
        store.unitOfWork(async (tx) => {
          await tx.roles.lock('held', 'removal')
          order.push('removed')
          await tx.roles.remove('held', now)
        }),
      ),
    ])
    expect(order).toEqual(['let go', 'removed'])
  })

  test('the room that permissions take is that of the heaviest holder', async () => {
    const [light, heavy] = [await added('light'), await added('heavy')]
    await store.unitOfWork(async (tx) => {
      await tx.roles.add({ name: 'small', permissions: ['a:b'] }, now)
      await tx.roles.add({ name: 'big', permissions: ['a:b', 'c:dddddd'] }, now)
      await tx.users.setRoles(light, ['small'])
      await tx.users.setRoles(heavy, ['small', 'big'])
      const wanted = ['a:b', 'e:ff']
      expect(await tx.roles.heaviestHolder('small', wanted)).toBe(sizeOf(['a:b', 'c:dddddd', 'e:ff']))
      expect(await tx.roles.heaviestHolder('support', wanted)).toBe(0)
    })
  })

  test('administrators who leave at once are counted one after the other', async () => {
    const admins = await Promise.all(Array.from({ length: 5 }, (_, i) => added(`admin${i}`)))
    await store.unitOfWork(async (tx) => {
      for (const user of await tx.users.lockAll(admins)) {
        await tx.users.update({ ...user, emailVerifiedAt: now })
        await tx.users.setRoles(user.id, ['admin'])
      }
    })
    const left = await times(admins.length, async (tx, i) => {
      const id = admins[i] as UserId
      await tx.users.lock({ id })
      const others = await tx.roles.otherAdministrators(id)
      if (others > 0) await tx.users.setRoles(id, ['user'])
      return others
    })
    expect(left.sort()).toEqual([0, 1, 2, 3, 4])
  })

  test('a removed user leaves his revocations, and his address free', async () => {
    const userId = await added('removed')
    const { hash } = await opened(userId)
    await store.unitOfWork(async (tx) => {
      await tx.credentials.set(userId, 'x', now)
      const claim = { passwordHash: 'x', firstName: null, lastName: null, userId, createdAt: now, expiresAt: later }
      await tx.registrations.add({ ...claim, linkHash: fresh() })
      await tx.resetTokens.add({ hash: fresh(), userId, createdAt: now, expiresAt: later })
    })
    const { lastSequence } = await store.revocationsSince(0)
    await store.unitOfWork(async (tx) => {
      await tx.users.lock({ id: userId })
      await tx.sessions.end({ userId }, 'deleted', now)
      await tx.users.remove(userId)
    })
    expect((await store.revocationsSince(lastSequence)).rows).toHaveLength(1)
    expect(await store.unitOfWork((tx) => tx.refreshTokens.lock(hash))).toBeUndefined()
    expect(await store.unitOfWork((tx) => tx.users.lock({ id: userId }))).toBeUndefined()
    expect(await added('removed')).not.toBe(userId)
  })

  test('an address whose owner is deleted while it is claimed is claimed all the same', async () => {
    const owner = await added('vacant')
    let isLocked = (): void => undefined
    const locked = new Promise<void>((resolve) => {
      isLocked = resolve
    })
    const [, claimed] = await Promise.all([
      store.unitOfWork(async (tx) => {
        await tx.users.lock({ id: owner })
        isLocked()
        await new Promise((resolve) => setTimeout(resolve, 100))
        await tx.users.remove(owner)
      }),
      locked.then(() => store.unitOfWork((tx) => claimAddress(tx, newUser('vacant')))),
    ])
    expect(claimed).toMatchObject({ isNew: true, user: { email: address('vacant') } })
    expect(claimed.user.id).not.toBe(owner)
  })

  test('keys are made one after the other', async () => {
    const made = await times(5, async (tx, i) => {
      const newest = await tx.signingKeys.lockNewest()
      const notBefore = new Date((newest?.notBefore ?? now).getTime() + 1)
      const key = { kid: `key${i}`, publicJwk: { kty: 'EC' }, privateSealed: fresh(), notBefore, createdAt: now }
      await tx.signingKeys.add(key)
      if (newest) await tx.signingKeys.expire(newest.kid, later)
      return notBefore.getTime()
    })
    expect(new Set(made).size).toBe(5)
    const newest = await store.unitOfWork((tx) => tx.signingKeys.lockNewest())
    expect(newest?.notBefore.getTime()).toBe(Math.max(...made))
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
