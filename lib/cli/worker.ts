import { createWorker, type QueueWorker } from '../queue'
import { ExitCode } from './exit'
import { settingsOf } from './settings'

const COMMAND = {
  name: 'worker',
  description: 'Makes the pictures of a queue; its servers are wuerstchen serve --queue.',
  role: 'worker',
} as const

/** `wuerstchen worker` */
export async function worker(args: readonly string[]): Promise<void> {
  const config = settingsOf(COMMAND, args)
  if (config === null) return // --help, --check-config
  const running = await createWorker(config)
  closeOnSignals(running)
  running.log.info({ worker: running.id }, 'ready')
}

/** The first signal drains, a second one ends the process at once. */
function closeOnSignals(running: QueueWorker): void {
  const { log } = running
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'draining')
      const stopped = running.close().then(
        () => log.info({}, 'stopped'),
        (error) => {
          log.warn({ err: error }, 'could not stop')
          process.exitCode = ExitCode.failure
        },
      )
      // BullMQ's own timers would wait for a broker that is away.
      void stopped.then(() => process.exit())
    })
  }
}
