import { createWorker, type QueueWorker } from '../queue'
import { ExitCode, UsageError } from './exit'
import { settingsOf } from './settings'

/** `wuerstchen worker` */
export async function worker(args: readonly string[]): Promise<void> {
  const config = settingsOf(
    'worker',
    'Makes the pictures of a queue; its servers are wuerstchen serve --queue.',
    args,
    ({ queue }) => {
      if (queue === undefined) throw new UsageError('Expected --queue, such as redis://host:6379')
    },
  )
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
      running.close().then(
        () => log.info({}, 'stopped'),
        (error) => {
          log.warn({ err: error }, 'could not stop')
          process.exitCode = ExitCode.failure
        },
      )
    })
  }
}
