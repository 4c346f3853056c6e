import { type FastifyInstance, fastify } from 'fastify'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { BackendStatistics } from './backend'
import { watchBroker } from './broker-metrics'
import type { WorkerConfig } from './config/roles'
import { Keys } from './keys'
import { listenOn } from './listen'
import { type Reading, Readings } from './metric-readings'
import { watchPipeline } from './pipeline-metrics'
import { mayRead } from './routes/metrics'

/** What a worker is about to do with jobs; `lost` while the broker does not answer. */
export type WorkerState = 'loading' | 'ready' | 'lost' | 'draining'

/** What became of attempts at jobs: `retried` ones failed by a fault of the machine, `over` ones nobody waited for any more. */
export const NO_ATTEMPTS = { succeeded: 0, failed: 0, retried: 0, handed_on: 0, over: 0 }
export type Outcome = keyof typeof NO_ATTEMPTS

export interface WorkerNumbers
  extends Pick<BackendStatistics, 'picturesPerSecond' | 'memoryBytes' | 'stages' | 'broker'> {
  readonly state: WorkerState
  /** Jobs that it has at the moment. */
  readonly jobs: number
  readonly attempts: Readonly<Record<Outcome, number>>
}

const LOADING: WorkerNumbers = {
  state: 'loading',
  jobs: 0,
  attempts: NO_ATTEMPTS,
  picturesPerSecond: null,
  memoryBytes: null,
  stages: null,
}

/** Who may read numbers makes no jobs. */
const NO_LIMITS = { maxJobsPerKey: 0, requestsPerMinute: 0 }

/** `/healthz`, `/readyz` and `/metrics` of a worker: what restarts it and what watches it asks there. */
export class Probes {
  private readonly app: FastifyInstance = fastify()
  private read: () => WorkerNumbers = () => LOADING

  constructor(private readonly config: WorkerConfig) {
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    const readings = new Readings(registry, () => this.read())
    readings.gauge('worker_jobs', 'Jobs that this worker has.', [], ({ jobs }) => [[{}, jobs]])
    readings.counter(
      'worker_attempts_total',
      'Attempts at jobs, by what became of them.',
      ['outcome'],
      ({ attempts }) => Object.entries(attempts).map(([outcome, count]): Reading => [{ outcome }, count]),
    )
    watchBroker(readings)
    const stopWatching = watchPipeline(registry, readings)
    this.app.addHook('onClose', async () => stopWatching())
    this.answer(registry)
  }

  /** Resolves with the address, such as http://127.0.0.1:8081. */
  listen(): Promise<string> {
    const { host, workerPort: port = 0 } = this.config
    return listenOn(this.app, { host, port, setting: 'workerPort' })
  }

  /** From now on it tells of this one. */
  watch(read: () => WorkerNumbers): void {
    this.read = read
  }

  close(): Promise<void> {
    return this.app.close()
  }

  private answer(registry: Registry): void {
    const { config } = this
    const keys = new Keys(config.keys, NO_LIMITS)
    this.app.get('/healthz', async () => ({ status: 'ok' }))
    this.app.get('/readyz', async (_request, reply) => {
      const { state } = this.read()
      return reply.code(state === 'ready' ? 200 : 503).send({ status: state })
    })
    if (config.metrics === 'off') return
    this.app.get('/metrics', async (request, reply) => {
      if (!mayRead({ config, keys }, request)) return reply.code(401).send()
      return reply.type(registry.contentType).send(await registry.metrics())
    })
  }
}
