import type { Change } from '@ashlar/platform/cdc'
import { expect, test } from 'vitest'
import { entryOfChange } from './change-entry.ts'

const change = (context: unknown, table: object = {}) =>
  ({
    id: 'c',
    operation: 'insert',
    before: null,
    after: { id: '1' },
    context,
    lsn: '0/1',
    txid: 1,
    commitTime: '2026-01-01T00:00:00.000000Z',
    table: { name: 'users', entity: 'user', entityId: 'id', person: null, personal: [], primaryKey: ['id'], ...table },
  }) as unknown as Change

test.each([
  ['psql', 'psql'],
  ['', null],
  [undefined, null],
])('a database client called %j is told as %j', (applicationName, told) => {
  const actor = { type: 'database', id: 'ashlar' }
  const entry = entryOfChange('auth', 'e/1', change({ actor, applicationName, clientAddress: '127.0.0.1' }))
  expect(entry.actor).toEqual(actor)
  expect(entry.context).toMatchObject({ ip: '127.0.0.1', userAgent: told, requestId: null })
})

const where = (person: string) => [
  { part: 'context', field: 'ip', person },
  { part: 'context', field: 'userAgent', person },
]

test.each([
  ['the user who acts', { type: 'user', id: 'u' }, {}, where('u')],
  ['whoever signs up, by the row that comes of it', { type: 'anonymous', id: 'anonymous' }, {}, where('1')],
  [
    'nobody, where an anonymous caller touches what is no person’s',
    { type: 'anonymous', id: 'anonymous' },
    { entity: 'role' },
    [],
  ],
  ['nobody, where a service acts', { type: 'service', id: 'auth' }, {}, []],
])('address and browser belong to %s', (_, actor, table, personal) => {
  expect(entryOfChange('auth', 'e/1', change({ actor, ip: '192.0.2.1' }, table)).personal).toEqual(personal)
})
