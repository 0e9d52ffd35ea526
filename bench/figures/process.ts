import { mkdir } from 'node:fs/promises'
import { Ashlar } from '../ashlar.ts'
import { sleep } from '../processes.ts'
import { type Figure, megabytes, ms } from '../table.ts'

const IDLE_MS = 60_000
const REST_MS = 10_000
const LIMIT_BYTES = 250e6

/** Starts on an empty data directory, stops, starts again on what is there; leaves the second one running. */
export const startFigures = async (folder: string): Promise<{ ashlar: Ashlar; figures: Figure[] }> => {
  await mkdir(folder, { recursive: true })
  const first = await Ashlar.start(folder)
  await first.served.stop()
  const ashlar = await Ashlar.start(folder)
  const figure = (what: string, took: number): Figure => ({
    what,
    ashlar: ms(took),
    against: 'process start to ready, PostgreSQL included',
  })
  return {
    ashlar,
    figures: [
      figure('cold start, empty data directory', first.startMs),
      figure('warm start, schema in place', ashlar.startMs),
    ],
  }
}

const memory = async (what: string, { served }: Ashlar): Promise<Figure> => {
  const rss = await served.rssBytes()
  return {
    what,
    ashlar: megabytes(rss),
    against: `limit ${megabytes(LIMIT_BYTES)}; its PostgreSQL beside it ${megabytes(await served.descendantsBytes())}`,
    goal: `< ${megabytes(LIMIT_BYTES)}`,
    reached: rss < LIMIT_BYTES,
  }
}

export const idleFigure = async (ashlar: Ashlar): Promise<Figure> => {
  await sleep(IDLE_MS)
  return memory('memory of the Node process, idle for a minute', ashlar)
}

/** After everything that was measured: what a burst leaves behind. */
export const restedFigure = async (ashlar: Ashlar): Promise<Figure> => {
  await ashlar.settle()
  await sleep(REST_MS)
  return memory('… after all loads above and ten seconds of rest', ashlar)
}
