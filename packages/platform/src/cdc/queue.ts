/**
 * First in, first out, with a weight; after `fail` it only runs empty. Calls `onFull` when the weight passes `highWater` and `onLow` when it has fallen
 * below half of that: this is what stops and restarts the socket.
 */
export type WeightedQueue<T> = {
  push(item: T, weight: number): void
  /** Undefined when there is nothing. */
  poll(): T | undefined
  /** Resolves once there is something, or after `wake` or `fail`; rejects after `fail`. */
  wait(): Promise<void>
  wake(): void
  fail(error: Error): void
  weight(): number
}

export const createWeightedQueue = <T>(options: {
  highWater: number
  onFull: () => void
  onLow: () => void
}): WeightedQueue<T> => {
  let items: { item: T; weight: number }[] = []
  let next = 0
  let weight = 0
  let full = false
  let failure: Error | undefined
  let waiting: (() => void) | undefined

  const wake = () => {
    waiting?.()
    waiting = undefined
  }

  return {
    push(item, itemWeight) {
      // What comes after the end would keep the end from being reached.
      if (failure) return
      items.push({ item, weight: itemWeight })
      weight += itemWeight
      if (!full && weight > options.highWater) {
        full = true
        options.onFull()
      }
      wake()
    },
    poll() {
      const entry = items[next]
      if (!entry) return undefined
      next += 1
      weight -= entry.weight
      if (next === items.length) {
        items = []
        next = 0
      } else if (next >= 4096) {
        items = items.slice(next)
        next = 0
      }
      if (full && weight < options.highWater / 2) {
        full = false
        options.onLow()
      }
      return entry.item
    },
    async wait() {
      if (next < items.length) return
      if (failure) throw failure
      await new Promise<void>((resolve) => {
        waiting = resolve
      })
      if (failure && next >= items.length) throw failure
    },
    wake,
    fail(error) {
      failure ??= error
      wake()
    },
    weight: () => weight,
  }
}
