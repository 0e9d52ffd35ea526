/** One line of the result. `against` names the peer or limit that was measured in the same run. */
export type Figure = { what: string; ashlar: string; against: string; ratio?: number; goal?: string; reached?: boolean }

export const rate = (perSecond: number): string =>
  `${perSecond >= 100 ? Math.round(perSecond) : perSecond.toFixed(1)}/s`
export const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`

/** The figures as a Markdown table. */
const markdown = (figures: readonly Figure[]): string => {
  const rows = figures.map(({ what, ashlar, against, ratio, goal, reached }) => {
    const verdict = goal === undefined ? '' : `${goal}${reached ? ' ✓' : ' ✗'}`
    return `| ${what} | ${ashlar} | ${against} | ${ratio === undefined ? '' : ratio.toFixed(2)} | ${verdict} |`
  })
  return ['| figure | Ashlar | beside it | ratio | goal |', '|---|---|---|---|---|', ...rows].join('\n')
}

/** What was measured with what, in the words of a report: nothing of it names this machine or a place on it. */
export type Conditions = {
  date: string
  seconds: number
  processors: string
  memory: string
  system: string
  loadAtStart: number
  versions: Readonly<Record<string, string | undefined>>
  missing: readonly string[]
}

const METHOD = `Each figure stands beside a peer or a limit that was measured in the same run, in turns, every other turn in
reverse; the ratio is the median of the pairs. The load generator speaks plain sockets on the same machine and keeps one
request in flight per connection (8 for writes, 10 for reads). Ashlar is one process as \`npm start\` makes it, with its
own PostgreSQL, every check switched on and limits raised; the peer is a bare Fastify with \`pg\`, prepared statements and
a pool, which writes the same rows into the same PostgreSQL (fsync on) and does nothing else. Processor time is that of
the Node process alone.`

/** The whole report. */
export const report = (figures: readonly Figure[], conditions: Conditions): string => {
  const { date, seconds, processors, memory, system, loadAtStart, versions, missing } = conditions
  const named = Object.entries(versions).flatMap(([name, version]) =>
    version === undefined ? [] : [`${name} ${version}`],
  )
  return [
    `## ${date}`,
    `${processors}, ${memory}, ${system}; ${named.join(', ')}. Load of the machine at the start: ${loadAtStart.toFixed(1)}. Took ${seconds} s.`,
    METHOD,
    markdown(figures),
    ...missing.map((what) => `Not on this machine: ${what}.`),
  ].join('\n\n')
}
