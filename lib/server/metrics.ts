import type { FastifyInstance } from 'fastify'
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'
import type { Backend, BackendStatistics, JobSnapshot } from './backend'
import { watchBroker } from './broker-metrics'
import { onEnd } from './client-gone'
import { onJobEnd } from './job-channel'
import { type Reading, Readings } from './metric-readings'
import { watchPipeline } from './pipeline-metrics'

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
  private readonly ends: (() => void)[] = []

  constructor(backend: Backend) {
    // The event loop's delay is looked at this often, in milliseconds: it takes CPU that steps of a picture wait for.
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: 20 })
    const readings = new Readings(this.registry, () => backend.statistics())
    registerStatistics(readings)
    this.ends.push(watchPipeline(this.registry, readings))
    this.ends.push(onJobEnd(backend, (job) => this.job(job)))
  }

  error(code: string | null): void {
    this.errors.inc({ code: code ?? 'unknown' })
  }

  watch(app: FastifyInstance): void {
    onEnd(app, (request, reply, status) => {
      // Routes, not addresses: the number of series stays small whatever is asked for.
      const route = request.routeOptions.url ?? 'none'
      const labels = { method: request.method, route, status }
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

/** What the backend counts itself, read when somebody looks. */
function registerStatistics(readings: Readings<BackendStatistics>): void {
  readings.gauge('jobs', 'Jobs that wait, run, or are kept with their results.', ['state'], (now) => [
    [{ state: 'waiting' }, now.waitingJobs],
    [{ state: 'running' }, now.runningJobs],
    [{ state: 'kept' }, now.keptJobs],
  ])
  readings.gauge('pictures', 'Pictures that wait or run.', ['state'], (now) => [
    [{ state: 'waiting' }, now.waitingPictures],
    [{ state: 'running' }, now.runningPictures],
  ])
  readings.gauge('kept_bytes', 'Bytes of finished pictures that are kept.', [], (now) => [
    [{}, now.keptBytes],
  ])
  readings.gauge('workers', 'Workers of the queue that answer.', ['model'], ({ workers = [] }) =>
    workers.map(({ model, count }) => [{ model }, count]),
  )
  watchBroker(readings)
  readings.gauge(
    'queue_jobs',
    'Jobs in the queues of workers; set_aside ones are over.',
    ['queue', 'state'],
    ({ queues = [] }) =>
      queues.flatMap(({ name: queue, waiting, running, delayed, setAside }): Reading[] => [
        [{ queue, state: 'waiting' }, waiting],
        [{ queue, state: 'running' }, running],
        [{ queue, state: 'delayed' }, delayed],
        [{ queue, state: 'set_aside' }, setAside],
      ]),
  )
  readings.counter('jobs_total', 'Jobs by how they ended.', ['status'], (now) => [
    [{ status: 'succeeded' }, now.succeeded],
    [{ status: 'failed' }, now.failed],
    [{ status: 'canceled' }, now.canceled],
  ])
}
