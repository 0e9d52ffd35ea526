import { randomUUID } from 'node:crypto'

export type Woken = { readonly types: readonly string[]; wake(): void }

/** Where the buses of one process tell each other of what they published, without the database between them. */
export type BusHub = {
  readonly id: string
  /** Answers how to leave. */
  join(subscription: Woken): () => void
  /** Wakes whoever reads one of these types; without types everybody. */
  wake(types?: ReadonlySet<string>): void
}

export const createBusHub = (): BusHub => {
  const members = new Set<Woken>()
  return {
    id: randomUUID(),
    join: (subscription) => {
      members.add(subscription)
      return () => members.delete(subscription)
    },
    wake: (types) => {
      for (const member of members) {
        if (!types || member.types.some((type) => types.has(type))) member.wake()
      }
    },
  }
}
