import type { Clock } from '@ashlar/kernel'

/** A clock that stands still until it is told. */
export type FakeClock = Clock & { set(time: Date): void; advance(ms: number): void }

export const createFakeClock = (start: Date = new Date()): FakeClock => {
  let nowMs = start.getTime()
  return {
    now: () => new Date(nowMs),
    set: (time) => {
      nowMs = time.getTime()
    },
    advance: (ms) => {
      nowMs += ms
    },
  }
}
