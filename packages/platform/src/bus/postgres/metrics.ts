import type { Runtime } from '../../runtime/index.ts'

/** What operators see of the bus; `subscription` is one of the few names that the services' code gives. */
export type BusMetrics = ReturnType<typeof createBusMetrics>

export const createBusMetrics = (runtime: Runtime) => {
  const metrics = runtime.metrics('bus')
  return {
    messages: metrics.counter('bus_messages_total', 'Events by what became of them', ['subscription', 'outcome']),
    lag: metrics.gauge('bus_consumer_lag', 'Positions of the log that a subscription has not done yet', [
      'subscription',
    ]),
    dead: metrics.gauge('bus_dead_letters', 'Events that wait for somebody to redrive or discard them', [
      'subscription',
    ]),
  }
}
