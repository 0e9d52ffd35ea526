/**
 * The Mann–Whitney rank test, two-sided, by the normal approximation with correction for ties.
 * Answers the probability of ranks at least so different if both samples came from one distribution.
 */
export const rankTest = (a: readonly number[], b: readonly number[]): number => {
  const all = [...a.map((value) => ({ value, first: true })), ...b.map((value) => ({ value, first: false }))].sort(
    (left, right) => left.value - right.value,
  )
  let rankSum = 0
  let ties = 0
  for (let start = 0; start < all.length; ) {
    let end = start
    while (end < all.length && all[end]?.value === all[start]?.value) end++
    const rank = (start + 1 + end) / 2
    for (let i = start; i < end; i++) if (all[i]?.first) rankSum += rank
    const tied = end - start
    ties += tied ** 3 - tied
    start = end
  }
  const n = all.length
  const u = rankSum - (a.length * (a.length + 1)) / 2
  const mean = (a.length * b.length) / 2
  const variance = ((a.length * b.length) / 12) * (n + 1 - ties / (n * (n - 1)))
  if (variance === 0) return 1
  const z = Math.max(0, Math.abs(u - mean) - 0.5) / Math.sqrt(variance)
  return erfc(z / Math.SQRT2)
}

/** The complementary error function, to about 1e-7 (Abramowitz and Stegun 7.1.26 with z ≥ 0). */
const erfc = (z: number): number => {
  const t = 1 / (1 + 0.3275911 * z)
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  return poly * Math.exp(-z * z)
}
