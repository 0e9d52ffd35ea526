import { err } from '@ashlar/kernel'
import { expect, test } from 'vitest'
import type { SessionId, UserId } from '../domain/account.ts'
import type { EmailAddress } from '../domain/email.ts'
import { createVerbs, type VerbDeps } from './verbs.ts'

test('whoever finds no place for his hash is refused before anything is done for him', async () => {
  const untouched = new Proxy(
    {},
    {
      get: (_target, name) => {
        throw new Error(`${String(name)} was asked`)
      },
    },
  )
  const touched = () => {
    throw new Error('something was done')
  }
  const deps = {
    accounts: untouched,
    tokens: untouched,
    unitOfWork: touched,
    guardSecret: touched,
    refusePassword: touched,
    evenTime: touched,
    passwords: { admit: () => err('overloaded') },
  } as unknown as VerbDeps
  const verbs = createVerbs(deps)
  const [email, password, ip] = ['ada@example.test' as EmailAddress, 'correct horse battery', null]
  const change = { userId: 'u' as UserId, sessionId: 's' as SessionId, currentPassword: password, ip }
  const answers = await Promise.all([
    verbs.login({ email, password, ip, userAgent: null }),
    verbs.registerUser({ email, password, firstName: null, lastName: null }),
    verbs.resetPassword({ token: 'x', newPassword: password, ip }),
    verbs.changePassword({ ...change, newPassword: password }),
  ])
  expect(answers).toEqual(Array(4).fill({ ok: false, error: 'overloaded' }))
})
