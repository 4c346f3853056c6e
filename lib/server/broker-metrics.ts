import type { BackendStatistics } from './backend'
import type { Readings } from './metric-readings'

/** Whether a server or a worker of a queue reaches its broker. */
export function watchBroker(readings: Readings<Pick<BackendStatistics, 'broker'>>): void {
  readings.gauge('broker_up', 'Whether the broker of the queue answers: 1 or 0.', [], ({ broker }) =>
    broker === undefined ? [] : [[{}, Number(broker.up)]],
  )
  readings.counter(
    'broker_losses_total',
    'How often the broker could not be reached any more.',
    [],
    ({ broker }) => (broker === undefined ? [] : [[{}, broker.losses]]),
  )
}
