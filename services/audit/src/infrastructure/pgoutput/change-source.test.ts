import { systemClock } from '@ashlar/kernel'
import { eventually, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { changeSourceConformance } from '../../../test/change-source.conformance.ts'
import { SOURCE } from '../../../test/harness.ts'
import { createPgoutputSource } from './change-source.ts'

changeSourceConformance('pgoutput', async () => {
  const runtime = testRuntime({ clock: systemClock })
  const source = await testDatabase(SOURCE.service, SOURCE)
  const slot = `c_${source.name.slice(-12)}`
  const dropSlot = () =>
    eventually(async () => {
      await source.sql('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1', [
        slot,
      ])
    })
  return {
    open: () =>
      createPgoutputSource({
        service: 'payments',
        url: source.changesUrl,
        slot,
        publication: runtime.names.publication,
        log: runtime.logger('audit'),
        batchRows: 100,
        statusMs: 100,
        retryMinMs: 20,
        retryMaxMs: 100,
      }),
    async write(from, to) {
      await source.sql(`INSERT INTO lines SELECT 'a', i, 1 FROM generate_series($1::int, $2::int) i`, [from, to])
    },
    async cut() {
      await source.sql(
        'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
        [slot],
      )
    },
    lose: dropSlot,
    async close() {
      await dropSlot()
      await source.close()
    },
  }
})
