/** Ranks from 1 by size; equal values share the mean of theirs. */
const ranksOf = (values: readonly number[]): number[] => {
  const order = values.map((value, index) => ({ value, index })).sort((a, b) => a.value - b.value)
  const ranks = new Array<number>(values.length).fill(0)
  for (let from = 0; from < order.length; ) {
    let to = from
    while (to + 1 < order.length && order[to + 1]?.value === order[from]?.value) to++
    for (let i = from; i <= to; i++) ranks[order[i]?.index ?? 0] = (from + to) / 2 + 1
    from = to + 1
  }
  return ranks
}

/**
 * By how many standard deviations the ranks of two samples differ from what chance gives (Mann and Whitney, 1947,
 * normal approximation): beyond 3.3 in either direction in one of a thousand looks at equal things.
 */
export const rankDistance = (one: readonly number[], other: readonly number[]): number => {
  const [n, m] = [one.length, other.length]
  const sum = ranksOf([...one, ...other])
    .slice(0, n)
    .reduce((total, rank) => total + rank, 0)
  const u = sum - (n * (n + 1)) / 2
  return Math.abs(u - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12)
}
