/** Measures each contestant in turn, so that whatever else the machine does meets all of them. */
export const alternate = async <Name extends string, Result>(
  contestants: Record<Name, () => Promise<Result>>,
  rounds: number,
): Promise<Record<Name, Result[]>> => {
  const names = Object.keys(contestants) as Name[]
  const results = Object.fromEntries(names.map((name) => [name, [] as Result[]])) as Record<Name, Result[]>
  for (let round = 0; round < rounds; round += 1) {
    // Every other round in reverse: who comes first is not always the same.
    for (const name of round % 2 === 0 ? names : [...names].reverse()) results[name].push(await contestants[name]())
  }
  return results
}

/** The ratio of two contestants: the median over the rounds, each pair measured at nearly the same time. */
export const pairedRatio = <Result>(
  own: readonly Result[],
  other: readonly Result[],
  value: (result: Result) => number,
): number =>
  median(
    own.flatMap((result, at) => {
      const beside = other[at]
      return beside === undefined ? [] : [value(result) / value(beside)]
    }),
  )

export const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2
}
