/**
 * A message to every part of every running process. Delivery is not promised; what must not be missed is healed by a
 * snapshot that each subscriber takes itself.
 */
export type Broadcast = {
  /** Resolves when every subscriber of this process has run. A subscriber that throws does not stop the others. */
  publish(channel: string, message: unknown): Promise<void>
  /**
   * `onMessage` gets messages one after the other, in the order in which they were published. `heal` is called at
   * once, then every `healEveryMs` (5 s): it reads what the messages would have told. It never runs twice at a time.
   */
  subscribe(channel: string, subscriber: Subscriber): Promise<{ stop(): Promise<void> }>
  close(): Promise<void>
}

export type Subscriber = {
  onMessage: (message: unknown) => void | Promise<void>
  heal?: () => Promise<void>
  healEveryMs?: number
}

type Member = { deliver(message: unknown): Promise<void>; stop(): Promise<void> }

/** Within one process. `onError` hears what subscribers throw. */
export const createBroadcast = ({ onError }: { onError?: (error: unknown) => void } = {}): Broadcast => {
  const channels = new Map<string, Set<Member>>()
  return {
    publish: async (channel, message) => {
      await Promise.all([...(channels.get(channel) ?? [])].map((member) => member.deliver(message)))
    },
    subscribe: async (channel, subscriber) => {
      const member = createMember(subscriber, onError ?? (() => undefined))
      const members = channels.get(channel) ?? new Set()
      channels.set(channel, members.add(member))
      await member.healed
      return {
        stop: () => {
          members.delete(member)
          return member.stop()
        },
      }
    },
    close: async () => {
      const members = [...channels.values()].flatMap((set) => [...set])
      channels.clear()
      await Promise.all(members.map((member) => member.stop()))
    },
  }
}

const createMember = (
  { onMessage, heal, healEveryMs = 5_000 }: Subscriber,
  onError: (error: unknown) => void,
): Member & { healed: Promise<void> } => {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let last: Promise<void> = Promise.resolve()

  const healAndWait = async (): Promise<void> => {
    if (!heal) return
    await heal().catch(onError)
    if (stopped) return
    timer = setTimeout(() => {
      healing = healAndWait()
    }, healEveryMs).unref()
  }
  let healing = healAndWait()

  return {
    healed: healing,
    deliver: (message) => {
      last = last.then(() => (stopped ? undefined : onMessage(message))).catch(onError)
      return last
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await Promise.all([last, healing])
    },
  }
}
