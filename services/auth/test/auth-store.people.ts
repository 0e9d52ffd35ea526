import { uuidv7 } from '@ashlar/kernel'
import { expect, test } from 'vitest'
import { claimAddress } from '../src/application/claim-address.ts'
import type { UserId } from '../src/domain/account.ts'
import { sizeOf } from '../src/domain/rights.ts'
import type { Rig, StoreUnderTest } from './auth-store.rig.ts'

/** People, roles and keys: what several of them at once may not break. */
export const peopleConformance = (
  open: () => StoreUnderTest,
  { now, later, fresh, address, newUser, added, opened, times }: Rig,
): void => {
  test('users who are locked together are locked in one order, and a missing one is left out', async () => {
    const ids = [await added('pair-a'), await added('pair-b')]
    const missing = uuidv7() as UserId
    await times(10, async (tx, i) => {
      const locked = await tx.users.lockAll(i % 2 ? ids : [missing, ...ids.toReversed()])
      for (const user of locked) await tx.users.update({ ...user, version: user.version + 1 })
    })
    const users = await open().unitOfWork((tx) => tx.users.lockAll(ids))
    expect(users.map(({ version }) => version)).toEqual([11, 11])
  })

  test('a role is added once, and its version is the sequence that verifiers are told', async () => {
    const { lastSequence: from } = await open().revocationsSince(0)
    const role = { name: 'shipper', permissions: ['orders:read', 'orders:ship'] }
    const results = await times(6, (tx) => tx.roles.add(role, now))
    expect(results.filter(Boolean)).toHaveLength(1)
    const userId = await added('shipper')
    await open().unitOfWork((tx) => tx.users.setRoles(userId, ['shipper']))
    await open().unitOfWork(async (tx) => {
      expect(await tx.roles.lock('shipper', 'change')).toMatchObject({ ...role, builtIn: false })
      await tx.roles.change('shipper', ['orders:read'], later)
    })
    const { rows } = await open().revocationsSince(from)
    expect(rows.map((row) => row.kind === 'role' && row.role)).toEqual(['shipper', 'shipper'])
    const rights = await open().unitOfWork((tx) => tx.users.rights(userId))
    const rolesVersion = rows.at(-1)?.sequence
    expect(rights).toEqual({ roles: ['shipper'], permissions: ['orders:read'], rolesVersion })
  })

  test('a role that is assigned and removed at once is held by nobody afterwards, and nobody waits for ever', async () => {
    const users = await Promise.all(Array.from({ length: 6 }, (_, i) => added(`fleeting${i}`)))
    await open().unitOfWork((tx) => tx.roles.add({ name: 'fleeting', permissions: ['orders:read'] }, now))
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
      expect((await open().unitOfWork((tx) => tx.users.rights(id))).roles).toEqual(['user'])
    }
    expect(await open().unitOfWork((tx) => tx.roles.hold(['fleeting']))).toEqual([])
  })

  test('a removal waits for a role that is held', async () => {
    await open().unitOfWork((tx) => tx.roles.add({ name: 'held', permissions: [] }, now))
    const order: string[] = []
    let isHeld = (): void => undefined
    const held = new Promise<void>((resolve) => {
      isHeld = resolve
    })
    await Promise.all([
      open().unitOfWork(async (tx) => {
        await tx.roles.hold(['held'])
        isHeld()
        await new Promise((resolve) => setTimeout(resolve, 100))
        order.push('let go')
      }),
      held.then(() =>
        open().unitOfWork(async (tx) => {
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
    await open().unitOfWork(async (tx) => {
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
    await open().unitOfWork(async (tx) => {
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
    await open().unitOfWork(async (tx) => {
      await tx.credentials.set(userId, 'x', now)
      const claim = { passwordHash: 'x', firstName: null, lastName: null, userId, createdAt: now, expiresAt: later }
      await tx.registrations.add({ ...claim, linkHash: fresh() })
      await tx.resetTokens.add({ hash: fresh(), userId, createdAt: now, expiresAt: later })
    })
    const { lastSequence } = await open().revocationsSince(0)
    await open().unitOfWork(async (tx) => {
      await tx.users.lock({ id: userId })
      await tx.sessions.end({ userId }, 'deleted', now)
      await tx.users.remove(userId)
    })
    expect((await open().revocationsSince(lastSequence)).rows).toHaveLength(1)
    expect(await open().unitOfWork((tx) => tx.refreshTokens.lock(hash))).toBeUndefined()
    expect(await open().unitOfWork((tx) => tx.users.lock({ id: userId }))).toBeUndefined()
    expect(await added('removed')).not.toBe(userId)
  })

  test('an address whose owner is deleted while it is claimed is claimed all the same', async () => {
    const owner = await added('vacant')
    let isLocked = (): void => undefined
    const locked = new Promise<void>((resolve) => {
      isLocked = resolve
    })
    const [, claimed] = await Promise.all([
      open().unitOfWork(async (tx) => {
        await tx.users.lock({ id: owner })
        isLocked()
        await new Promise((resolve) => setTimeout(resolve, 100))
        await tx.users.remove(owner)
      }),
      locked.then(() => open().unitOfWork((tx) => claimAddress(tx, newUser('vacant')))),
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
    const newest = await open().unitOfWork((tx) => tx.signingKeys.lockNewest())
    expect(newest?.notBefore.getTime()).toBe(Math.max(...made))
  })
}
