export type { Faults } from './faults.ts'
export { createNames, type DatabaseName, type Names, type ServiceName } from './names.ts'
export { createRuntime, type Runtime, type RuntimeOptions } from './runtime.ts'
export { createTicker, type Ticker, type TickerOptions } from './ticker.ts'
