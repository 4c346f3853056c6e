import { createServer, type Server, type ServerConfig } from '../server'
import { ExitCode } from './exit'
import { settingsOf } from './settings'

const COMMAND = {
  name: 'serve',
  description: 'Serves pictures over HTTP: the OpenAI images API, jobs, and a page.',
  role: 'server',
} as const

/** `wuerstchen serve` */
export async function serve(args: readonly string[]): Promise<void> {
  const config = settingsOf(COMMAND, args)
  if (config === null) return // --help, --check-config
  const server = config.queue === undefined ? await createServer(config) : await queueServer(config)
  closeOnSignals(server)
  try {
    await start(server)
  } catch (error) {
    // A port that is taken, a model that is none: nothing is left that would keep the process.
    await server.close({ drainMs: 0 })
    throw error
  }
}

async function start(server: Server): Promise<void> {
  const { config } = server
  await server.listen()
  if (config.keys.length === 0)
    server.app.log.warn('No API keys are configured: only programs of this machine are served')
  await server.backend.ready()
  server.app.log.info({ models: server.backend.info.models }, 'ready')
}

/** Workers make its pictures: here is no model. */
async function queueServer(config: ServerConfig): Promise<Server> {
  const { createQueueServer } = require('../queue') as typeof import('../queue')
  return createQueueServer(config)
}

/** The first signal drains, a second one ends the process at once. */
function closeOnSignals(server: Server): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      server.app.log.info({ signal, drainSeconds: server.config.drainSeconds }, 'draining')
      server.close().then(
        () => server.app.log.info('stopped'),
        (error) => {
          server.app.log.error({ err: error }, 'could not stop')
          process.exitCode = ExitCode.failure
        },
      )
    })
  }
}
