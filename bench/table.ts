/** One line of the result. `against` names the peer or limit that was measured in the same run. */
export type Figure = { what: string; ashlar: string; against: string; ratio?: number; goal?: string; reached?: boolean }

export const rate = (perSecond: number): string =>
  `${perSecond >= 100 ? Math.round(perSecond) : perSecond.toFixed(1)}/s`
export const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`

/** The figures as a Markdown table. */
export const markdown = (figures: readonly Figure[]): string => {
  const rows = figures.map(({ what, ashlar, against, ratio, goal, reached }) => {
    const verdict = goal === undefined ? '' : `${goal}${reached ? ' ✓' : ' ✗'}`
    return `| ${what} | ${ashlar} | ${against} | ${ratio === undefined ? '' : ratio.toFixed(2)} | ${verdict} |`
  })
  return ['| figure | Ashlar | beside it | ratio | goal |', '|---|---|---|---|---|', ...rows].join('\n')
}
