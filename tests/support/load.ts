import { randomUUID } from 'node:crypto'
import type { Instance } from './instance.ts'
import { sleep } from './instance.ts'
import { call, order, type Person } from './person.ts'

/** What was acknowledged: the server answered, so it must still be true after any crash. */
export type Ledger = {
  registered: Set<string>
  /** Session → the newest refresh token that its client was given. */
  refreshTokens: Map<string, string>
  /** Sessions whose last refresh got no answer: their clients ask again first thing, within the grace. */
  unanswered: Set<string>
  created: Map<string, string>
  completed: Set<string>
  /** Refund id → payment. */
  refunds: Map<string, string>
  /** Answers that no client should ever see. */
  unexpected: string[]
}

export const newLedger = (): Ledger => ({
  registered: new Set(),
  refreshTokens: new Map(),
  unanswered: new Set(),
  created: new Map(),
  completed: new Set(),
  refunds: new Map(),
  unexpected: [],
})

/** A call that a crash may swallow: undefined when no answer came. */
const attempt = async (
  instance: Instance,
  ...rest: Parameters<typeof call> extends [unknown, ...infer R] ? R : never
) => call(instance, ...rest).catch(() => undefined)

/** Keeps the main writes going from several clients until told to stop, and notes what was acknowledged. */
export const startLoad = (instance: Instance, people: Person[], administrator: Person, ledger: Ledger) => {
  let running = true
  const loop = async (step: () => Promise<void>): Promise<void> => {
    while (running) {
      await step()
      await sleep(5)
    }
  }
  const note = (what: string, status: number, expected: number[]): void => {
    if (!expected.includes(status)) ledger.unexpected.push(`${what} answered ${status}`)
  }
  const signedOn = new Map(people.map((person) => [person, person]))

  const register = async (): Promise<void> => {
    const email = `load.${randomUUID()}@example.com`
    const answer = await attempt(instance, 'POST', '/auth/register', {
      body: { email, password: `password ${randomUUID()}` },
    })
    if (answer?.status === 202) ledger.registered.add(email)
    else if (answer) note('register', answer.status, [503])
    await sleep(40)
  }

  const login = (person: Person) => async (): Promise<void> => {
    const { email, password } = person
    const answer = await attempt(instance, 'POST', '/auth/login', { body: { email, password } })
    if (answer?.status === 200) {
      const { sessionId, refreshToken, accessToken } = answer.body as Record<string, string>
      ledger.refreshTokens.set(sessionId ?? '', refreshToken ?? '')
      signedOn.set(person, { ...person, accessToken: accessToken ?? '' })
    } else if (answer) note('login', answer.status, [503])
    await sleep(60)
  }

  const refresh = async (): Promise<void> => {
    const sessions = [...ledger.refreshTokens.keys()]
    const [sessionId = sessions[Math.floor(Math.random() * sessions.length)]] = ledger.unanswered
    if (sessionId === undefined) return
    const refreshToken = ledger.refreshTokens.get(sessionId)
    ledger.unanswered.add(sessionId)
    const answer = await attempt(instance, 'POST', '/auth/refresh', { body: { refreshToken } })
    if (answer === undefined || answer.status === 503) return
    ledger.unanswered.delete(sessionId)
    if (answer.status === 200) ledger.refreshTokens.set(sessionId, answer.body.refreshToken as string)
    else note('refresh', answer.status, [])
  }

  const pay = (person: Person) => async (): Promise<void> => {
    const token = signedOn.get(person)?.accessToken
    const key = randomUUID()
    const created = await attempt(instance, 'POST', '/payments/create', { token, key, body: order('100.00') })
    if (created === undefined) return
    if (created.status !== 201) return note('create', created.status, [503])
    const id = created.body.transactionId as string
    ledger.created.set(id, person.userId)
    const processed = await attempt(instance, 'POST', `/payments/${id}/process`, { token, key: `${key}-p`, body: {} })
    if (processed === undefined) return
    if (processed.status !== 200) return note('process', processed.status, [202, 503])
    if (processed.body.status !== 'completed') ledger.unexpected.push(`process ended ${String(processed.body.status)}`)
    ledger.completed.add(id)
    const refunded = await attempt(instance, 'POST', `/payments/${id}/refunds`, {
      token: administrator.accessToken,
      key: `${key}-r`,
      body: { amount: '60.00' },
    })
    if (refunded?.status === 201) ledger.refunds.set(refunded.body.id as string, id)
    else if (refunded) note('refund', refunded.status, [503])
  }

  const loops = [
    loop(register),
    ...people.slice(0, 1).map((person) => loop(login(person))),
    loop(refresh),
    ...people.map((person) => loop(pay(person))),
  ]
  return {
    stop: async (): Promise<void> => {
      running = false
      await Promise.all(loops)
    },
  }
}
