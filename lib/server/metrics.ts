import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { TurnMessage } from '../index'
import type { Backend, BackendStatistics, JobSnapshot } from './backend'
import { onJobEnd } from './job-channel'

const SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** What Prometheus is told. Nothing is counted by prompt or by key's secret; names of keys are labels nowhere. */
export class Metrics {
  readonly registry = new Registry()
  private readonly requests = new Histogram({
    name: 'wuerstchen_http_request_seconds',
    help: 'Time of requests until the last byte of the answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers: [this.registry],
  })
  private readonly errors = new Counter({
    name: 'wuerstchen_errors_total',
    help: 'Refused requests and failed jobs, by code (docs/server.md).',
    labelNames: ['code'],
    registers: [this.registry],
  })
  private readonly wait = new Histogram({
    name: 'wuerstchen_job_wait_seconds',
    help: 'From the acceptance of a job to its first step.',
    buckets: SECONDS,
    registers: [this.registry],
  })
  private readonly duration = new Histogram({
    name: 'wuerstchen_job_seconds',
    help: 'From the acceptance of a job to its end.',
    labelNames: ['status'],
    buckets: SECONDS,
    registers: [this.registry],
  })
  private readonly batch = new Histogram({
    name: 'wuerstchen_batch_pictures',
    help: 'Pictures that shared a native call.',
    labelNames: ['stage'],
    buckets: [1, 2, 3, 4, 6, 8, 12, 16, 32],
    registers: [this.registry],
  })
  private readonly ends: (() => void)[] = []

  constructor(backend: Backend) {
    collectDefaultMetrics({ register: this.registry })
    registerStatistics(this.registry, backend)
    this.ends.push(onJobEnd(backend, (job) => this.job(job)))
    const turn = (message: unknown) => {
      const { stage, images } = message as TurnMessage
      this.batch.observe({ stage }, images)
    }
    subscribe('wuerstchen:turn', turn)
    this.ends.push(() => unsubscribe('wuerstchen:turn', turn))
  }

  error(code: string | null): void {
    this.errors.inc({ code: code ?? 'unknown' })
  }

  watch(app: FastifyInstance): void {
    app.addHook('onResponse', async (request, reply) => {
      // Routes, not addresses: the number of series stays small whatever is asked for.
      const route = request.routeOptions.url ?? 'none'
      const labels = { method: request.method, route, status: reply.statusCode }
      this.requests.observe(labels, reply.elapsedTime / 1000)
    })
    app.addHook('onClose', async () => {
      for (const end of this.ends.splice(0)) end()
    })
  }

  private job({ status, createdAt, startedAt, finishedAt, error }: JobSnapshot): void {
    if (startedAt !== null) this.wait.observe((startedAt - createdAt) / 1000)
    if (finishedAt !== null) this.duration.observe({ status }, (finishedAt - createdAt) / 1000)
    if (error !== null && status === 'failed') this.error(error.code)
  }
}

type Reading = readonly [Readonly<Record<string, string>>, number | null]

/** What the backend counts itself, read when somebody looks. */
function registerStatistics(registry: Registry, backend: Backend): void {
  const gauge = (name: string, help: string, read: (statistics: BackendStatistics) => Reading[]) => {
    const labelNames = labelsOf(read)
    new Gauge({
      name: `wuerstchen_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset()
        for (const [labels, value] of read(await backend.statistics()))
          if (value !== null) this.set(labels, value)
      },
    })
  }
  const counter = (name: string, help: string, read: (statistics: BackendStatistics) => Reading[]) => {
    const labelNames = labelsOf(read)
    new Counter({
      name: `wuerstchen_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset()
        for (const [labels, value] of read(await backend.statistics())) this.inc(labels, value ?? 0)
      },
    })
  }
  gauge('jobs', 'Jobs that wait, run, or are kept with their results.', (now) => [
    [{ state: 'waiting' }, now.waitingJobs],
    [{ state: 'running' }, now.runningJobs],
    [{ state: 'kept' }, now.keptJobs],
  ])
  gauge('pictures', 'Pictures that wait or run.', (now) => [
    [{ state: 'waiting' }, now.waitingPictures],
    [{ state: 'running' }, now.runningPictures],
  ])
  gauge('kept_bytes', 'Bytes of finished pictures that are kept.', (now) => [[{}, now.keptBytes]])
  gauge('pictures_per_second', 'The pace while there is work.', (now) => [[{}, now.picturesPerSecond]])
  gauge('memory_bytes', 'Bytes that weights and tensors hold.', (now) => [[{}, now.memoryBytes]])
  gauge('workers', 'Workers of the queue that answer.', ({ workers = [] }) =>
    workers.map(({ model, count }) => [{ model }, count]),
  )
  gauge('queue_jobs', 'Jobs in the queues of workers; set_aside ones are over.', ({ queues = [] }) =>
    queues.flatMap(({ name: queue, waiting, running, delayed, setAside }): Reading[] => [
      [{ queue, state: 'waiting' }, waiting],
      [{ queue, state: 'running' }, running],
      [{ queue, state: 'delayed' }, delayed],
      [{ queue, state: 'set_aside' }, setAside],
    ]),
  )
  counter('jobs_total', 'Jobs by how they ended.', (now) => [
    [{ status: 'succeeded' }, now.succeeded],
    [{ status: 'failed' }, now.failed],
    [{ status: 'canceled' }, now.canceled],
  ])
  for (const [name, help, of, scale] of STAGE_COUNTERS)
    counter(name, help, ({ stages }) =>
      Object.entries(stages ?? {}).map(([stage, counts]) => [{ stage }, counts[of] * scale]),
    )
}

const STAGE_COUNTERS = [
  ['stage_steps_total', 'Steps of single pictures.', 'steps', 1],
  ['stage_turns_total', 'Native calls; steps by turns is how well batches are filled.', 'turns', 1],
  ['stage_rows_total', 'Batch entries; a guided picture takes two.', 'rows', 1],
  ['stage_busy_seconds_total', 'Time of native calls.', 'busyMs', 0.001],
] as const

const NOTHING: BackendStatistics = {
  waitingJobs: 0,
  waitingPictures: 0,
  runningJobs: 0,
  runningPictures: 0,
  keptJobs: 0,
  keptBytes: 0,
  succeeded: 0,
  failed: 0,
  canceled: 0,
  picturesPerSecond: null,
  stages: { prior: { turns: 0, steps: 0, rows: 0, busyMs: 0 } },
  memoryBytes: null,
  workers: [{ model: '', count: 0 }],
  queues: [{ name: '', waiting: 0, running: 0, delayed: 0, setAside: 0 }],
}

function labelsOf(read: (statistics: BackendStatistics) => Reading[]): string[] {
  return Object.keys(read(NOTHING)[0]?.[0] ?? {})
}
