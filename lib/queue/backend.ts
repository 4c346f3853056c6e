import { randomUUID } from 'node:crypto'
import { DisposedError, InvalidArgumentError, QueueFullError } from '../index'
import type {
  Backend,
  BackendInfo,
  BackendModel,
  BackendState,
  BackendStatistics,
  FollowOptions,
  JobEvent,
  JobPage,
  JobRequest,
  JobSnapshot,
  PictureInfo,
  ServerConfig,
  StoredPicture,
  SubmitOptions,
} from '../server'
import { CANCELED } from '../server/errors'
import { publishJob } from '../server/job-channel'
import { checkSame, neverFits } from '../server/local/admission'
import { Acceptance } from './acceptance'
import type { Broker } from './broker'
import { checkStore, openBroker, storeOf } from './config'
import { Events } from './events'
import { Janitor } from './janitor'
import { Jobs } from './jobs'
import { SILENT, sayOf, type WorkerLog } from './log'
import { recordOf } from './record'
import { modelNamed, modelsOf, NOBODY, queueFor, type Roster, readRoster } from './roster'
import { QueueStatistics } from './statistics'
import type { PictureStore } from './store'

const REFRESH_MS = 1000

/** A server's last answers still need the broker. */
const LAST_WORDS_MS = 4000

/** The backend of a queue: jobs are in Redis, pictures in a store, and workers make them. */
export class QueueBackend implements Backend {
  private readonly id = randomUUID()
  private readonly broker: Broker
  private readonly jobs: Jobs
  private readonly acceptance: Acceptance
  private readonly events: Events
  private readonly store: PictureStore
  private readonly janitor: Janitor
  private readonly counted: QueueStatistics
  private roster: Roster = NOBODY
  private models: readonly BackendModel[] = []
  /** Since when a model has no worker that answers. */
  private absent: ReadonlyMap<string, number> = new Map()
  private refreshing: NodeJS.Timeout | null = null
  private mistake: Error | null = null
  private log: WorkerLog = SILENT
  private readonly waiting: { resolve(): void; reject(error: unknown): void }[] = []
  private disposing: Promise<void> | null = null

  constructor(private readonly config: ServerConfig) {
    this.broker = openBroker(config, false)
    this.jobs = new Jobs(this.broker)
    this.acceptance = new Acceptance(this.broker, this.jobs, config.queueReplicas)
    this.events = new Events(this.broker, this.jobs)
    this.store = storeOf(config)
    this.janitor = new Janitor(this.broker, this.jobs, this.store, () => this.log)
    this.counted = new QueueStatistics(this.broker, this.jobs)
    this.broker.listen(this.broker.key('server', this.id), (message) => {
      // Whoever waits for the job's answer comes first.
      setImmediate(() => this.publish(message))
    })
    this.janitor.start()
    void this.refresh(true)
  }

  get state(): BackendState {
    if (this.disposing !== null) return { name: 'draining' }
    if (this.mistake !== null) return { name: 'failed', message: this.mistake.message }
    return { name: this.broker.connected && this.models.length > 0 ? 'ready' : 'loading' }
  }

  /** A server's log hears when the broker goes and is back, and what the store does not do. */
  useLog(log: WorkerLog): void {
    this.log = log
    this.broker.watch(sayOf(log))
  }

  absentSince(name: string | null): number | null {
    const { goneSince } = this.broker
    if (goneSince !== null) return goneSince
    const model = name ?? this.models[0]?.name
    return model === undefined ? null : (this.absent.get(model) ?? null)
  }

  get info(): BackendInfo {
    return { kind: 'queue', models: this.models }
  }

  async ready(): Promise<void> {
    if (this.mistake !== null) throw this.mistake
    if (this.state.name !== 'ready')
      await new Promise<void>((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  statistics(): Promise<BackendStatistics> {
    return this.counted.read(this.roster)
  }

  /** A job is accepted once it is in BullMQ's queue: what fails before that, the client hears of. */
  async submit(request: JobRequest, { maxUnfinished = Number.POSITIVE_INFINITY }: SubmitOptions = {}) {
    this.checkReady()
    const { maxQueue } = this.config
    if (request.count > maxQueue) throw neverFits(request.count, maxQueue)
    const queue = queueFor(this.roster, modelNamed(this.models, request.model), request)
    const outcome = await this.acceptance.submit(request, { ...this.facts, queue, maxUnfinished })
    if ('full' in outcome) throw this.full(outcome.full, outcome.there, request, maxUnfinished)
    if ('found' in outcome) return { job: await this.known(outcome.found, request), found: true }
    return { job: snapshotOf(outcome.id, request, outcome.position), found: false }
  }

  follow(id: string, options: FollowOptions = {}): AsyncGenerator<JobEvent, void, void> {
    return this.events.follow(id, options)
  }

  async cancel(id: string): Promise<JobSnapshot | null> {
    const ended = await this.jobs.finish(id, null, { status: 'canceled', error: CANCELED })
    const record = await this.jobs.find(id)
    if (ended && record !== null) void this.broker.dequeue(record.queue, id)
    return record?.snapshot ?? null
  }

  async find(id: string): Promise<JobSnapshot | null> {
    return (await this.jobs.find(id))?.snapshot ?? null
  }

  list({
    owner,
    limit,
    after,
  }: {
    owner: string
    limit: number
    after?: string | undefined
  }): Promise<JobPage> {
    return this.jobs.list(owner, limit, after)
  }

  async picture(id: string, index: number, known?: PictureInfo): Promise<StoredPicture | null> {
    const picture = known?.place === undefined ? await this.shown(id, index) : known
    const place = picture?.place
    if (picture === undefined || place === undefined) return null
    try {
      const data = await this.store.get(place)
      return data === null ? null : { mediaType: picture.mediaType, data }
    } catch (error) {
      // Its client hears no more than that it failed.
      this.log.warn({ err: error, job: id, index }, 'the store failed')
      throw error
    }
  }

  async remove(id: string): Promise<boolean> {
    const job = await this.jobs.find(id)
    if (job === null) return false
    // What is over has all its pictures: it is not asked for again.
    if (job.snapshot.finishedAt !== null) return this.janitor.forget(id, job)
    await this.cancel(id)
    return this.janitor.forget(id)
  }

  async setLoraScales(): Promise<void> {
    throw new InvalidArgumentError(
      'Expected no scales of LoRAs: workers of a queue load their own, see wuerstchen worker --help.',
      { details: { name: 'loras' } },
    )
  }

  dispose(options: { readonly drain?: boolean; readonly timeoutMs?: number } = {}): Promise<void> {
    this.disposing ??= this.drain(options)
    return this.disposing
  }

  /** Closes the connections. A server calls it when its last answer is written; without one it happens a little later. */
  end(): void {
    this.broker.close()
    this.store.close()
  }

  /** Jobs stay in the queue; those who follow one here may see its end before they have to ask another server. */
  private async drain({ drain = false, timeoutMs = 30_000 }): Promise<void> {
    const end = performance.now() + (drain ? timeoutMs : 0)
    while (this.events.ids.length > 0 && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 50))
    this.events.close()
    this.janitor.close()
    if (this.refreshing !== null) clearTimeout(this.refreshing)
    setTimeout(() => this.end(), LAST_WORDS_MS).unref()
  }

  private get facts() {
    const { maxQueue, resultTtlSeconds } = this.config
    return { server: this.id, maxQueue, timeToLiveMs: resultTtlSeconds * 1000 }
  }

  /** Learns who is there, and tells those who wait where they stand. */
  private async refresh(first = false): Promise<void> {
    try {
      if (first) await checkStore(this.broker, this.store)
      this.roster = await readRoster(this.broker)
      this.models = modelsOf(this.roster, this.config.model)
      this.absent = absentOf(this.roster, this.models, this.absent)
      if (this.state.name === 'ready') for (const { resolve } of this.waiting.splice(0)) resolve()
      await this.jobs.tellPositions(this.events.ids)
      first = false
    } catch (error) {
      if (error instanceof InvalidArgumentError) return this.fail(error)
    }
    if (this.disposing === null) this.refreshing = setTimeout(() => void this.refresh(first), REFRESH_MS)
  }

  private fail(error: Error): void {
    this.mistake = error
    for (const { reject } of this.waiting.splice(0)) reject(error)
  }

  private checkReady(): void {
    const { name } = this.state
    if (name === 'ready' || (name === 'loading' && this.models.length > 0)) return
    const details = { state: name, retryAfterMs: 5000 }
    const what = name === 'loading' ? 'no worker has come yet' : `it is ${name}`
    throw new DisposedError(`Expected the server to be ready but ${what}.`, { details })
  }

  /** The job of an idempotency key. Whoever accepted it may have died before it was enqueued. */
  private async known(id: string, request: JobRequest): Promise<JobSnapshot> {
    const record = await this.jobs.find(id)
    if (record === null) throw new DisposedError('Expected the job of this key but it has just expired.')
    const { snapshot, queue } = record
    checkSame(snapshot.request, request)
    if (snapshot.status === 'queued') await this.acceptance.enqueue(id, queue, snapshot.request.priority)
    return snapshot
  }

  private full(limit: 'queue' | 'key', there: number, { count }: JobRequest, maxUnfinished: number): Error {
    const { maxQueue } = this.config
    const pictures = limit === 'queue' ? there + count - maxQueue : count
    const details = { limit, retryAfterMs: this.counted.estimateMs(this.roster, pictures) }
    const message =
      limit === 'queue'
        ? `Expected at most ${maxQueue} pictures in the queue but there are ${there}, and ${count} more were asked for.`
        : `Expected at most ${maxUnfinished} unfinished jobs of this key but there are ${there}.`
    return new QueueFullError(message, { details })
  }

  /** Its message is the record: asked for later it might be forgotten. */
  private publish(message: string): void {
    const [id, fields] = JSON.parse(message) as [string, string[]]
    const record = recordOf(id, fields, -1)
    if (record !== null) publishJob(this, record.snapshot)
  }

  private async shown(id: string, index: number): Promise<PictureInfo | undefined> {
    return (await this.find(id))?.pictures.find((one) => one.index === index)
  }
}

function absentOf(
  { here }: Roster,
  models: readonly BackendModel[],
  before: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const present = new Set(here.map(({ model }) => model.name))
  const gone = models.filter(({ name }) => !present.has(name))
  return new Map(gone.map(({ name }) => [name, before.get(name) ?? Date.now()]))
}

function snapshotOf(id: string, request: JobRequest, position: number): JobSnapshot {
  const nothing = { startedAt: null, finishedAt: null, expiresAt: null, error: null }
  return {
    id,
    status: 'queued',
    request,
    createdAt: Date.now(),
    position,
    pictures: [],
    warnings: [],
    ...nothing,
  }
}
