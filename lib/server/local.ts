import { DisposedError, type StreamEvent } from '../index'
import type {
  Backend,
  BackendInfo,
  BackendState,
  BackendStatistics,
  FollowOptions,
  JobError,
  JobEvent,
  JobPage,
  JobRequest,
  JobSnapshot,
  StoredPicture,
  SubmitOptions,
} from './backend'
import { CANCELED, jobErrorOf } from './errors'
import { publishJob } from './job-channel'
import { checkRoom, checkSame, checkShare, refusalOf } from './local/admission'
import { addPicture, addPreview } from './local/encoding'
import type { JobLog } from './local/job-log'
import { JobStore } from './local/job-store'
import { Line } from './local/line'
import { Throughput } from './local/throughput'
import { mediaTypeOf } from './pictures'
import { generateOptionsOf, modelOf, type ServedPipeline } from './served-pipeline'

export interface LocalOptions {
  /** Milliseconds that a finished job and its pictures are kept. Defaults to an hour. */
  readonly timeToLiveMs?: number
  /** Bytes of finished pictures that are kept at once; at that no jobs are taken until some expire. Defaults to 512 MiB. */
  readonly maxKeptBytes?: number
  /** Whether `dispose()` disposes the pipeline, too. Defaults to true. */
  readonly ownsPipeline?: boolean
}

interface Running {
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** The backend of a pipeline in this process. Jobs and pictures are in memory, and end with it. */
export class LocalBackend implements Backend {
  state: BackendState = { name: 'loading' }
  private pipeline: ServedPipeline | null = null
  private readonly store: JobStore
  private readonly line = new Line()
  private readonly throughput = new Throughput()
  private readonly running = new Map<JobLog, Running>()
  /** Jobs whose request the pipeline is looking at. */
  private readonly accepting = new Map<JobLog, Promise<void>>()
  private readonly ended = { succeeded: 0, failed: 0, canceled: 0 }
  private readonly sweeper: NodeJS.Timeout
  private disposing: Promise<void> | null = null

  constructor(
    private readonly loading: ServedPipeline | Promise<ServedPipeline>,
    private readonly options: LocalOptions = {},
  ) {
    this.store = new JobStore(options.timeToLiveMs ?? 3_600_000)
    this.sweeper = setInterval(() => this.store.sweep(), 1000)
    this.sweeper.unref()
    if ('stream' in loading) this.use(loading)
    else
      loading.then(
        (pipeline) => this.use(pipeline),
        (error) => this.fail(error),
      )
  }

  get info(): BackendInfo {
    const { pipeline } = this
    return { kind: 'local', models: pipeline === null ? [] : [modelOf(pipeline)] }
  }

  async statistics(): Promise<BackendStatistics> {
    const all = [...this.running.keys()]
    const pictures = all.reduce((sum, { request, pictures }) => sum + request.count - pictures.size, 0)
    return {
      waitingJobs: this.line.length,
      waitingPictures: this.line.pictures,
      runningJobs: all.length - this.line.length,
      runningPictures: pictures - this.line.pictures,
      keptJobs: this.store.keptJobs,
      keptBytes: this.store.keptBytes,
      ...this.ended,
      picturesPerSecond: this.throughput.picturesPerSecond,
      stages: this.pipeline?.statistics.stages ?? null,
      memoryBytes: this.pipeline?.memory().held ?? null,
    }
  }

  async submit(
    request: JobRequest,
    { maxUnfinished = Number.POSITIVE_INFINITY }: SubmitOptions = {},
  ): Promise<{ job: JobSnapshot; found: boolean }> {
    const same = this.store.sameKey(request)
    if (same !== undefined) {
      await this.accepting.get(same)
      checkSame(same.request, request)
      return { job: same.snapshot(), found: true }
    }
    const pipeline = this.checkReady()
    checkRoom(this.store, this.options.maxKeptBytes ?? 512 * 2 ** 20)
    const unfinished = [...this.accepting.keys(), ...this.running.keys()]
    checkShare(unfinished, request, maxUnfinished, this.throughput)
    const job = this.store.create(request)
    const accepted = this.begin(job, pipeline)
    this.accepting.set(job, accepted)
    try {
      await accepted
    } catch (error) {
      this.store.forget(job)
      throw error
    } finally {
      this.accepting.delete(job)
    }
    return { job: job.snapshot(), found: false }
  }

  async *follow(id: string, options: FollowOptions = {}): AsyncGenerator<JobEvent, void, void> {
    const job = this.store.get(id)
    if (job !== undefined) yield* job.follow(options)
  }

  async cancel(id: string): Promise<JobSnapshot | null> {
    const job = this.store.get(id)
    if (job === undefined) return null
    await this.accepting.get(job)?.catch(() => undefined)
    this.end(job, 'canceled', CANCELED)
    return job.snapshot()
  }

  async find(id: string): Promise<JobSnapshot | null> {
    return this.store.get(id)?.snapshot() ?? null
  }

  async list(options: { owner: string; limit: number; after?: string | undefined }): Promise<JobPage> {
    return this.store.list(options.owner, options.limit, options.after)
  }

  async picture(id: string, index: number): Promise<StoredPicture | null> {
    const job = this.store.get(id)
    const data = job?.data.get(index)
    return job === undefined || data === undefined
      ? null
      : { mediaType: mediaTypeOf(job.request.format), data }
  }

  async remove(id: string): Promise<boolean> {
    const job = this.store.get(id)
    if (job === undefined) return false
    await this.cancel(id)
    this.store.forget(job)
    return true
  }

  async setLoraScales(scales: Readonly<Record<string, number>>): Promise<void> {
    await this.checkReady().setLoraScales(scales)
  }

  dispose(options: { readonly drain?: boolean; readonly timeoutMs?: number } = {}): Promise<void> {
    this.disposing ??= this.finish(options)
    return this.disposing
  }

  private async finish({ drain = false, timeoutMs = 30_000 }: { drain?: boolean; timeoutMs?: number }) {
    this.state = { name: 'draining' }
    if (drain) await withinMs(Promise.all([...this.running.values()].map(({ done }) => done)), timeoutMs)
    const error = jobErrorOf(new DisposedError('The server stopped before the job was finished.'))
    for (const job of [...this.running.keys()]) this.end(job, 'failed', error)
    clearInterval(this.sweeper)
    this.line.close()
    if (!(this.options.ownsPipeline ?? true)) return
    if (this.pipeline !== null) await this.pipeline.dispose()
    // Nobody waits for a model that is still loading.
    else
      Promise.resolve(this.loading)
        .then((late) => late.dispose())
        .catch(() => undefined)
  }

  private use(pipeline: ServedPipeline): void {
    this.pipeline = pipeline
    if (this.state.name === 'loading') this.state = { name: 'ready' }
  }

  private fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    if (this.state.name === 'loading') this.state = { name: 'failed', message }
  }

  async ready(): Promise<void> {
    await this.loading
  }

  private checkReady(): ServedPipeline {
    if (this.pipeline !== null && this.state.name === 'ready') return this.pipeline
    throw new DisposedError(`Expected the server to be ready but it is ${this.state.name}.`, {
      details: { state: this.state.name },
    })
  }

  /** Resolves once the pipeline has taken the job; its events are read from then on. */
  private async begin(job: JobLog, pipeline: ServedPipeline): Promise<void> {
    const stop = new AbortController()
    const events = pipeline.stream(job.request.prompt, {
      ...generateOptionsOf(job.request),
      signal: stop.signal,
    })
    let second: Promise<IteratorResult<StreamEvent, void>>
    try {
      const first = await events.next()
      if (!first.done && first.value.type === 'queued') job.warnings = first.value.warnings
      // A queue that is full, and too little memory, are known in the same turn of the event loop, but after `queued`.
      second = events.next()
      await Promise.race([second, new Promise(setImmediate)])
    } catch (error) {
      throw refusalOf(error, job.request, this.throughput)
    }
    this.line.enter(job)
    this.throughput.begin()
    job.add({ type: 'queued', position: job.position ?? 0, warnings: job.warnings })
    this.running.set(job, { stop, done: this.read(job, second, events) })
  }

  private async read(
    job: JobLog,
    first: Promise<IteratorResult<StreamEvent, void>>,
    events: AsyncIterator<StreamEvent, void>,
  ): Promise<void> {
    const encoding: Promise<void>[] = []
    try {
      for (let next = await first; !next.done && !job.ended; next = await events.next()) {
        const event = next.value
        if (event.type === 'step') this.step(job, event)
        // Beside the next steps: encoding is work of other threads.
        if (event.type === 'image') {
          this.throughput.picture()
          encoding.push(addPicture(job, event))
        }
        if (event.type === 'preview') encoding.push(addPreview(job, event))
      }
      await Promise.all(encoding)
      this.end(job, 'succeeded')
    } catch (error) {
      await Promise.allSettled(encoding)
      this.end(job, 'failed', jobErrorOf(error))
    }
  }

  private step(job: JobLog, { index, stage, step, steps, etaMs }: StreamEvent & { type: 'step' }): void {
    if (job.startedAt === null) {
      job.startedAt = Date.now()
      job.status = 'running'
      this.line.leave(job)
    }
    job.add({ type: 'step', index, stage, step, steps, etaMs })
  }

  private end(job: JobLog, status: 'succeeded' | 'failed' | 'canceled', error: JobError | null = null): void {
    const running = this.running.get(job)
    if (running === undefined) return // not accepted, or over
    this.running.delete(job)
    running.stop.abort()
    this.line.leave(job)
    this.throughput.end()
    this.ended[status] += 1
    job.end(status, error)
    this.store.finish(job)
    publishJob(this, job.snapshot())
  }
}

async function withinMs(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const end = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work.then(() => undefined), end])
  clearTimeout(timer)
}
