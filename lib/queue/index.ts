/** The door of `wuerstchen/queue`: servers and workers of one queue, on any number of machines. */
import { createServer, type Server, ServerConfig, type ServerOptions, type ServerSettings } from '../server'
import { checkConfig } from '../server/config/read'
import type { WorkerConfig } from '../server/config/roles'
import { loadPipeline } from '../server/load'
import { openLog } from '../server/log'
import { Probes } from '../server/worker-probes'
import { QueueBackend } from './backend'
import type { WorkerLog } from './log'
import { QueueWorker } from './worker'

export type { Outcome, WorkerNumbers, WorkerState } from '../server/worker-probes'
export { QueueBackend } from './backend'
export type { WorkerLog } from './log'
export { QueueWorker } from './worker'

/**
 * A server as `createServer()` makes one, whose jobs go to the workers of `queue`. It loads no model.
 * `server.backend.ready()` waits for the first worker, and rejects where `store` is not the one of this queue.
 * @throws InvalidArgumentError naming every setting that is wrong.
 */
export async function createQueueServer(
  options: Omit<ServerOptions, 'pipeline' | 'backend'>,
): Promise<Server> {
  const { logger, ...settings } = options
  const backend = new QueueBackend(checkConfig(settings))
  const server = await createServer({ ...options, backend })
  backend.useLog(server.app.log)
  server.app.server.once('close', () => backend.end())
  return server
}

/** The settings that a worker reads; others are left to servers. */
export interface WorkerOptions extends ServerSettings {
  /** pino, or what looks like it. Defaults to JSON lines on standard output, as the server's. */
  readonly logger?: WorkerLog
}

/**
 * Loads the model of the settings and takes jobs from `queue`. Resolves once servers know of it.
 * @throws InvalidArgumentError naming every setting that is wrong; and as `WuerstchenPipeline.fromPretrained()`.
 */
export async function createWorker({ logger, ...settings }: WorkerOptions): Promise<QueueWorker> {
  const config: WorkerConfig = checkConfig(settings, 'worker')
  const log = logger ?? openLog(config.logLevel)
  log.info({}, 'loading')
  const probes = config.workerPort === undefined ? null : new Probes(config)
  try {
    // Before the model is loaded, which they tell of.
    const url = await probes?.listen()
    if (url !== undefined) log.info({ probes: url }, 'listening')
    const maxQueue = config.concurrency * MOST_IMAGES * 2
    const pipeline = await loadPipeline({ ...config, maxQueue })
    const worker = new QueueWorker(pipeline, config, log, probes)
    return await started(worker)
  } catch (error) {
    await probes?.close()
    throw error
  }
}

/** Of one job, whatever its server allows. */
const MOST_IMAGES: number = ServerConfig.properties.maxImages.maximum ?? 10

async function started(worker: QueueWorker): Promise<QueueWorker> {
  try {
    await worker.start()
    return worker
  } catch (error) {
    await worker.close({ drainMs: 0 })
    throw error
  }
}
