/**
 * The position up to which everything is done, although things end in any order: what a reader may save.
 * Positions must begin in rising order.
 */
export type Watermark = {
  begin(position: bigint): void
  end(position: bigint): void
  /** Nothing of interest is left up to here: what is not begun is not there. */
  seen(position: bigint): void
  value(): bigint
  open(): number
}

export const createWatermark = (start: bigint): Watermark => {
  const order: bigint[] = []
  const pending = new Set<bigint>()
  let first = 0
  let horizon = start
  return {
    begin: (position) => {
      order.push(position)
      pending.add(position)
    },
    end: (position) => {
      pending.delete(position)
      while (first < order.length && !pending.has(order[first] as bigint)) first += 1
      if (first > 1_000) order.splice(0, first, ...[])
      if (first > 1_000) first = 0
    },
    seen: (position) => {
      if (position > horizon) horizon = position
    },
    value: () => {
      const oldest = order[first]
      return oldest === undefined ? horizon : oldest - 1n
    },
    open: () => pending.size,
  }
}
