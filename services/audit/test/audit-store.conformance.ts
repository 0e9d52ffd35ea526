import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AuditStore, ChainConflict, type EntryFilter } from '../src/application/ports.ts'
import { EMPTY_HEAD, extend, type Head } from '../src/domain/chain.ts'
import type { Checkpoint } from '../src/domain/checkpoint.ts'
import { type Draft, type Entry, type Link, textsOf } from '../src/domain/entry.ts'

export type StoreUnderTest = {
  store: AuditStore
  /** Makes the store unreachable until the answer is called. */
  outage: () => Promise<() => Promise<void>>
  close: () => Promise<void>
}

/** What every store of the trail promises. */
export const auditStoreConformance = (name: string, open: () => Promise<StoreUnderTest>): void => {
  describe(`AuditStore: ${name}`, () => {
    let under: StoreUnderTest
    let store: AuditStore
    const heads = new Map<string, Head>()

    beforeAll(async () => {
      under = await open()
      store = under.store
    })
    afterAll(() => under.close())

    const draft = (more: Partial<Draft> = {}): Draft => ({
      id: randomUUID(),
      service: 'auth',
      entity: 'user',
      entityId: 'u1',
      action: 'insert',
      before: null,
      after: { n: 1, text: 'a\nb"c\\d{e,f}', nul: 'x\0y', nested: { list: [1.5, null, 'é'] } },
      changed: ['n'],
      actor: { type: 'user', id: 'u1' },
      context: { requestId: 'r1', traceId: null, ip: null, userAgent: 'a "b" \\', reason: null },
      source: { epoch: 'e/1', lsn: '0/1', txid: 7, table: 'users', commitTime: '2026-01-01T00:00:00.000000Z' },
      personal: [],
      keys: [],
      ...more,
    })

    const link = (chain: string, drafts: Draft[], micros = 1_767_225_600_000_000n): Link[] => {
      const written = drafts.map((one) => ({ draft: one, texts: textsOf(one) }))
      const { links, head } = extend(chain, heads.get(chain) ?? EMPTY_HEAD, written, micros)
      heads.set(chain, head)
      return links
    }

    const add = async (chain: string, drafts: Draft[], micros?: bigint): Promise<Entry[]> => {
      const links = link(chain, drafts, micros)
      await store.append({ chain, links, sealed: [] })
      return links.map(({ entry }) => entry)
    }

    test('gives back exactly what was stored, whatever the texts hold', async () => {
      const entries = await add('exact', [draft(), draft({ before: { a: null }, after: null, entityId: null })])
      expect(await store.entries('exact', 0, 10)).toEqual(entries)
      expect(await store.entries('exact', 1, 10)).toEqual(entries.slice(1))
      expect(await store.entries('exact', 0, 1)).toEqual(entries.slice(0, 1))
      expect(await store.head('exact')).toEqual(heads.get('exact'))
      expect(await store.head('never')).toBeUndefined()
    })

    test('knows ids of any chain', async () => {
      const [entry] = await add('known', [draft()])
      const id = entry?.id ?? ''
      expect(await store.known([id, randomUUID()])).toEqual(new Set([id]))
      expect(await store.known([])).toEqual(new Set())
    })

    test('entries, sealed fields and position are stored together or not at all', async () => {
      const position = { epoch: 'e', lsn: '0/5', phase: 'stream' } as const
      const [first] = link('atomic', [draft()])
      const sealed = { entryId: first?.entry.id ?? '', person: 'p', sealed: Buffer.from([0, 1, 255]) }
      await store.append({ chain: 'atomic', links: first ? [first] : [], sealed: [sealed], position })
      expect(await store.position('atomic')).toEqual(position)
      expect(await store.sealed([sealed.entryId])).toEqual([sealed])

      heads.delete('atomic')
      const [taken] = link('atomic', [draft()])
      const other = { entryId: taken?.entry.id ?? '', person: 'p', sealed: Buffer.from([1]) }
      const late = store.append({
        chain: 'atomic',
        links: taken ? [taken] : [],
        sealed: [other],
        position: { ...position, lsn: '0/9' },
      })
      await expect(late).rejects.toThrow(ChainConflict)
      expect(await store.position('atomic')).toEqual(position)
      expect(await store.sealed([other.entryId])).toEqual([])
    })

    test('of many writers at one place exactly one succeeds', async () => {
      const attempts = Array.from({ length: 8 }, () => {
        heads.delete('race')
        return store.append({ chain: 'race', links: link('race', [draft()]), sealed: [] })
      })
      const settled = await Promise.allSettled(attempts)
      expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(await store.entries('race', 0, 10)).toHaveLength(1)
    })

    test.each<[EntryFilter, number]>([
      [{ actor: 'cli:filter-actor' }, 1],
      [{ actor: 'filter-actor' }, 2],
      [{ actor: 'user:nobody' }, 0],
      [{ entity: 'filter-entity' }, 2],
      [{ entityId: 'filter-id' }, 2],
      [{ service: 'filter-service' }, 2],
      [{ requestId: 'filter-request' }, 2],
      [{ service: 'filter-service', action: 'delete' }, 1],
      [{ service: 'filter-service', from: '2027-01-01T00:00:00.000001Z' }, 1],
      [{ service: 'filter-service', to: '2027-01-01T00:00:00.000001Z' }, 1],
    ])('finds by %j', async (filter, count) => {
      if (!heads.has('filter')) {
        const own = { entity: 'filter-entity', entityId: 'filter-id', service: 'filter-service' }
        const context = { requestId: 'filter-request', traceId: null, ip: null, userAgent: null, reason: null }
        const drafts = [
          draft({ ...own, context, actor: { type: 'cli', id: 'filter-actor' } }),
          draft({ ...own, context, actor: { type: 'service', id: 'filter-actor' }, action: 'delete' }),
        ]
        await add('filter', drafts, 1_798_761_600_000_000n)
      }
      expect(await store.list({ filter, order: 'newest', after: undefined, limit: 10 })).toHaveLength(count)
    })

    test('lists in both directions, page by page, each entry once', async () => {
      await add(
        'paged',
        Array.from({ length: 7 }, () => draft({ entity: 'paged' })),
      )
      for (const order of ['newest', 'oldest'] as const) {
        const found: Entry[] = []
        for (;;) {
          const last = found.at(-1)
          const after = last && { recordedAt: last.recordedAt, id: last.id }
          const page = await store.list({ filter: { entity: 'paged' }, order, after, limit: 3 })
          found.push(...page)
          if (page.length < 3) break
        }
        const sequences = found.map(({ sequence }) => sequence)
        expect(sequences).toEqual(order === 'oldest' ? [1, 2, 3, 4, 5, 6, 7] : [7, 6, 5, 4, 3, 2, 1])
      }
    })

    test('keeps checkpoints in order; the same one again is harmless', async () => {
      const checkpoint = (number: number): Checkpoint => ({
        chain: 'signed',
        number,
        from: number * 2 - 1,
        to: number * 2,
        hash: 'h',
        witnessHash: 'w',
        previous: 'p',
        at: '2026-01-01T00:00:00.000Z',
        key: 'k',
        signature: 's',
        witness: Buffer.alloc(32, number).toString('base64'),
      })
      expect(await store.lastCheckpoint('signed')).toBeUndefined()
      for (const number of [1, 2, 3, 3]) await store.addCheckpoint(checkpoint(number))
      expect(await store.checkpoints('signed', 1, 10)).toEqual([checkpoint(2), checkpoint(3)])
      expect(await store.lastCheckpoint('signed')).toEqual(checkpoint(3))
      expect(await store.latestCheckpoints()).toContainEqual(checkpoint(3))
    })

    test('never replaces the key of a person', async () => {
      const [first, second] = [Buffer.from('first'), Buffer.from('second')]
      expect(await store.addPersonKeys([{ person: 'one', wrapped: first }])).toEqual(new Set(['one']))
      const both = [
        { person: 'one', wrapped: second },
        { person: 'two', wrapped: second },
      ]
      expect(await store.addPersonKeys(both)).toEqual(new Set(['two']))
      const keys = await store.personKeys(['one', 'two', 'three'])
      expect(keys.toSorted((a, b) => a.person.localeCompare(b.person))).toEqual([
        { person: 'one', wrapped: first },
        { person: 'two', wrapped: second },
      ])
    })

    test('names every chain that it holds anything of', async () => {
      expect(await store.chains()).toEqual(expect.arrayContaining(['exact', 'filter', 'paged', 'signed']))
    })

    test('throws while it cannot be reached, and works again afterwards', async () => {
      const back = await under.outage()
      const links = link('outage', [draft()])
      await expect(store.append({ chain: 'outage', links, sealed: [] })).rejects.toThrow()
      await expect(store.head('outage')).rejects.toThrow()
      await back()
      await store.append({ chain: 'outage', links, sealed: [] })
      expect(await store.entries('outage', 0, 10)).toEqual(links.map(({ entry }) => entry))
    })
  })
}
