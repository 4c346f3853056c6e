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
  const silent = config.logLevel === 'silent'
  const logger = { info: silent ? nothing : say('info'), warn: silent ? nothing : say('warn') }
  logger.info({}, 'loading')
  const running = await createWorker({ ...config, logger })
  closeOnSignals(running, logger.info)
  logger.info({ worker: running.id }, 'ready')
}

type Say = (facts: object, message: string) => void

const nothing: Say = () => undefined

/** One JSON object a line on standard output, as the server's. */
function say(level: string): Say {
  return (facts, msg) => console.log(JSON.stringify({ level, time: Date.now(), ...facts, msg }, withErrors))
}

function withErrors(_: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value
  const { message, cause } = value
  return {
    message,
    code: (value as { code?: unknown }).code,
    cause: cause instanceof Error ? cause.message : undefined,
  }
}

/** The first signal drains, a second one ends the process at once. */
function closeOnSignals(running: QueueWorker, info: Say): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      info({ signal }, 'draining')
      running.close().then(
        () => info({}, 'stopped'),
        (error) => {
          info({ err: error }, 'could not stop')
          process.exitCode = ExitCode.failure
        },
      )
    })
  }
}
