import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { hasRedis, type RedisServer, startRedis } from '../../bench/support/redis'
import { ROOT } from '../../bench/support/reference'
import { startWorker, type WuerstchenProcess } from '../../bench/support/wuerstchen-process'
import { createQueueServer } from '../../lib/queue'
import type { JobRequest, ServerOptions } from '../../lib/server'
import { allEventsOf, askings, type Json, type SeenEvent, type Served, until } from './http-server'

/** `describe` for tests of a queue; where something is missing they are skipped under a name that says so. */
export function describeQueue(name: string, tests: () => void): void {
  const missing = hasRedis() ? missingModel() : 'redis-server is not installed: apt-get install redis-server'
  if (missing === null) describe(name, tests)
  else describe.skip(`${name} (SKIPPED: ${missing})`, tests)
}

function missingModel(): string | null {
  const model = join(ROOT, 'models', 'shapes')
  return existsSync(model) ? null : `${model} does not exist`
}

/** A broker, a store, and whatever is started on them; all of it ends with it. */
export class QueueRoom implements AsyncDisposable {
  readonly client: Redis
  private readonly all: AsyncDisposable[] = []

  private constructor(
    readonly redis: RedisServer,
    readonly folder: string,
    readonly store: string,
  ) {
    this.client = new Redis(redis.url, { maxRetriesPerRequest: null })
    this.client.on('error', () => undefined)
  }

  static async open(store?: string): Promise<QueueRoom> {
    const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-test-'))
    return new QueueRoom(await startRedis(), folder, store ?? join(folder, 'store'))
  }

  /** A server in this process: it has no model. */
  async server(options: ServerOptions = {}): Promise<QueueServed> {
    const settings = { queue: this.redis.url, store: this.store, urlSecret: 's'.repeat(32), maxSteps: 1000 }
    const given = { port: 0, logLevel: 'silent', drainSeconds: 0, ...settings, ...options } as const
    const server = await createQueueServer(given)
    const served = jobAskings(askings(server, await server.listen()))
    this.all.push(served)
    return served
  }

  /** A worker, which is a process. */
  async worker(...args: string[]): Promise<WuerstchenProcess> {
    const settings = ['--queue', this.redis.url, '--store', this.store, '--queue-lock-seconds', '4']
    const worker = await startWorker([...settings, ...args])
    this.all.push(worker)
    return worker
  }

  /** A job's own fields in Redis. */
  record(id: string): Promise<Record<string, string>> {
    return this.client.hgetall(`{wuerstchen}:job:${id}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.splice(0).map((one) => one[Symbol.asyncDispose]()))
    this.client.disconnect()
    await this.redis[Symbol.asyncDispose]()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A job as a backend takes it. */
export const REQUEST: JobRequest = {
  prompt: 'a red circle',
  model: null,
  count: 1,
  options: {},
  format: 'png',
  quality: null,
  priority: 0,
  deadline: null,
  owner: 'local',
  idempotencyKey: null,
  requestId: 'r',
  traceparent: null,
}

/** A tenth of a second. */
export const SHORT = { prompt: 'a red circle', seed: 7 }

/** Ten seconds and more, which nobody waits for. */
export const LONG = {
  prompt: 'a red circle',
  n: 4,
  prior_num_inference_steps: 1000,
  num_inference_steps: 1000,
}

/** Short ways to ask a server for jobs. */
export interface QueueServed extends Served {
  submit(
    body?: object,
    headers?: Record<string, string>,
  ): Promise<{ readonly status: number; readonly job: Json; readonly headers: Headers }>
  /** Resolves with all events, after the last one. */
  follow(id: string): Promise<SeenEvent[]>
  job(id: string): Promise<Json>
  untilStatus(id: string, status: string): Promise<void>
}

function jobAskings(served: Served): QueueServed {
  const job = async (id: string) => (await served.get(`/v1/jobs/${id}`)).json()
  return {
    ...served,
    job,
    async submit(body = SHORT, headers = {}) {
      const response = await served.post('/v1/jobs', body, headers)
      return { status: response.status, job: await response.json(), headers: response.headers }
    },
    follow: async (id) => allEventsOf(await served.get(`/v1/jobs/${id}/events`)),
    untilStatus: (id, status) => until(async () => (await job(id)).status === status, 60_000),
  }
}
