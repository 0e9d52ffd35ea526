import type { Claim } from './ports.ts'

/** What this process itself knows about a claim in its name. */
export type Knowledge =
  /** It works on it, or may be about to. */
  | 'held'
  /** It gave it to the mailer and never recorded what came of it. */
  | 'handed'
  /** It never gave it to a mailer, and does not work on it: the answer to the claim was lost, or it failed before. */
  | 'untouched'

export type InFlight = {
  /** Takes claims. They count as held from the moment they are answered; while one is being taken, all may be. */
  claim(take: () => Promise<Claim[]>): Promise<Claim[]>
  /** Must be told before a mailer is called. */
  handing(id: string): void
  /** The work on a claim ended; `recorded` when its outcome is stored. */
  end(id: string, recorded: boolean): void
  /** What became of a lost claim is stored by somebody else. */
  forget(id: string): void
  knows(id: string): Knowledge
}

/** Keeps apart, within one process, the claims it works on from those it lost. */
export const createInFlight = (): InFlight => {
  const held = new Set<string>()
  const handed = new Set<string>()
  let taking = 0
  return {
    claim: async (take) => {
      taking += 1
      try {
        const claims = await take()
        for (const { id } of claims) held.add(id)
        return claims
      } finally {
        taking -= 1
      }
    },
    handing: (id) => void handed.add(id),
    end: (id, recorded) => {
      held.delete(id)
      if (recorded) handed.delete(id)
    },
    forget: (id) => void handed.delete(id),
    // A claim can be seen in the store before its answer has reached this process.
    knows: (id) => (held.has(id) || taking > 0 ? 'held' : handed.has(id) ? 'handed' : 'untouched'),
  }
}
