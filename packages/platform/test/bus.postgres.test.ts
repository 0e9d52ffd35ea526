import { createPostgresBus } from '../src/bus/index.ts'
import { testBusDatabase } from '../src/testing/index.ts'
import { describeBus } from './bus.conformance.ts'

describeBus('postgres', async () => {
  const database = await testBusDatabase()
  return {
    connect: async ({ runtime, retry }) => createPostgresBus({ url: database.urlAs('auth'), runtime, retry }),
    outage: database.outage,
    cut: database.cutConnections,
    close: database.close,
  }
})
