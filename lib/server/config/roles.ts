/** Who reads which settings. Servers and workers of a queue share a file and an environment, so each leaves the other's alone. */
import { ServerConfig } from './schema'

export type Role = 'server' | 'worker'
type Setting = keyof ServerConfig

export const SETTINGS = Object.keys(ServerConfig.properties)

/** What makes a pipeline, of either. */
const PIPELINE_SETTINGS = [
  'model',
  'prior',
  'loras',
  'graphs',
  'device',
  'dtype',
  'kernels',
  'offload',
  'weightsCache',
  'threads',
  'maxMemory',
  'maxBatchRows',
  'libtorch',
] as const satisfies readonly Setting[]

/** What a server does not read. */
const WORKERS_ALONE = [
  'concurrency',
  'maxAttempts',
  'maxWorkersLost',
  'queueLockSeconds',
  'workerPort',
] as const satisfies readonly Setting[]

const WORKER_SETTINGS = [
  ...PIPELINE_SETTINGS,
  ...WORKERS_ALONE,
  'queue',
  'queuePrefix',
  'store',
  'maxPixels',
  'drainSeconds',
  'host',
  'keys',
  'metrics',
  'logLevel',
] as const satisfies readonly Setting[]

export type PipelineConfig = Pick<ServerConfig, (typeof PIPELINE_SETTINGS)[number] | 'maxQueue'>
/** Code of a worker is given this: it cannot read what its help does not list. */
export type WorkerConfig = Pick<ServerConfig, (typeof WORKER_SETTINGS)[number]>

const READ: Readonly<Record<Role, readonly string[]>> = {
  server: SETTINGS.filter((name) => !(WORKERS_ALONE as readonly string[]).includes(name)),
  worker: SETTINGS.filter((name) => (WORKER_SETTINGS as readonly string[]).includes(name)),
}

/** The settings that a role reads, in the order of the table. */
export function settingsRead(role: Role): readonly string[] {
  return READ[role]
}
