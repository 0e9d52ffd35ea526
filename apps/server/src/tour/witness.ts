import { type Client, eventually, NotAsTold } from './client.ts'

export type Mail = { to: string; template: string; subject: string; links: string[]; handOvers: number }
export type Entry = {
  chain: string
  sequence: number
  entity: string
  entityId: string
  action: string
  actor: { type: string; id: string }
  context: { requestId?: string }
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
  source: { table: string | null }
  hash: string
}
export type Charge = {
  attemptId: string
  kind: string
  outcome: string
  amount: string
  currency: string
  receivedCount: number
}

const list = <T>(body: Record<string, unknown>): T[] => (body.data ?? []) as T[]

/** Looks at what others recorded of a request: the bus, the mailbox, the provider and the audit trail. */
export const createWitness = (client: Client, eventsOf: (requestId: string) => Promise<string[]>) => ({
  /** The types of the events that a request caused; each of `types` must be among them. */
  events: (requestId: string, types: string[]): Promise<string[]> =>
    eventually(`the events ${types.join(', ')}`, async () => {
      const seen = await eventsOf(requestId)
      return types.every((type) => seen.includes(type)) ? seen : undefined
    }),

  /** The one mail of a template that reached an address, handed over exactly once. */
  mail: async (to: string, template: string): Promise<Mail> => {
    const mail = await eventually(`the mail ${template}`, async () => {
      const { body } = await client.expect(200, {
        method: 'GET',
        path: `/dev/mailbox/messages?to=${encodeURIComponent(to)}`,
      })
      const mails = list<Mail>(body).filter((candidate) => candidate.template === template)
      if (mails.length > 1) throw new NotAsTold(`${mails.length} mails ${template} reached ${to}`)
      return mails[0]
    })
    if (mail.handOvers !== 1) throw new NotAsTold(`the mail ${template} was handed over ${mail.handOvers} times`)
    return mail
  },

  /** What the provider itself booked for a payment. */
  charges: async (transactionId: string): Promise<Charge[]> => {
    const { body } = await client.expect(200, {
      method: 'GET',
      path: `/dev/sandbox/charges?transactionId=${transactionId}`,
    })
    return list<Charge>(body)
  },

  /** The audit entry of an entity that a request left behind. */
  entry: (auditor: string, requestId: string, service: string, entity: string, action: string): Promise<Entry> =>
    eventually(`the audit entry ${action} ${entity}`, async () => {
      const path = `/audit/entries?requestId=${requestId}&service=${service}&entity=${entity}&action=${action}`
      const { body } = await client.expect(200, { method: 'GET', path, token: auditor })
      return list<Entry>(body)[0]
    }),
})

export type Witness = ReturnType<typeof createWitness>
