import { randomUUID } from 'node:crypto'
import { DisposedError, InvalidArgumentError, StoreError } from '../index'
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
import { Acceptance, fullError, snapshotOf } from './acceptance'
import type { Broker } from './broker'
import { openBroker, storeOf } from './config'
import { Events } from './events'
import { Janitor } from './janitor'
import { Jobs } from './jobs'
import { SILENT, sayOf, sayOpen, sayRefusal, type WorkerLog } from './log'
import { recordOf } from './record'
import { News } from './refusal'
import { absentOf, modelNamed, modelsOf, NOBODY, queueFor, type Roster, readRoster } from './roster'
import { QueueStatistics } from './statistics'
import type { PictureStore } from './store'

const REFRESH_MS = 1000

/** How often the log hears that the store still fails. */
const NEWS_MS = 60_000

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
  /** Another store than the queue's. */
  private mistake: Error | null = null
  /** Whether the broker did the last time what it was asked. */
  private answered = false
  /** Whether its store was ever the queue's. */
  private joined = false
  private identity: string | null = null
  private readonly news = new News(NEWS_MS)
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
    void this.refresh()
  }

  get state(): BackendState {
    if (this.disposing !== null) return { name: 'draining' }
    if (this.mistake !== null) return { name: 'failed', message: this.mistake.message }
    return { name: this.broker.connected && this.answered && this.models.length > 0 ? 'ready' : 'loading' }
  }

  /** A server's log hears when the broker goes and is back, and what the store does not do. */
  useLog(log: WorkerLog): void {
    this.log = log
    this.broker.watch(sayOf(log), sayRefusal(log), sayOpen(log))
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
      if (data !== null) return { mediaType: picture.mediaType, data }
      if (!(await this.keeps(id, place))) return null
      throw new StoreError(
        `Expected the store to have ${place}, which its job's record names, but it has not. Do all of this queue see the same store?`,
      )
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
  private async refresh(): Promise<void> {
    try {
      this.identity ??= await this.store.identity()
      this.roster = await readRoster(this.broker, this.identity)
      this.answered = true
      this.mend()
      this.models = modelsOf(this.roster, this.config.model)
      this.absent = absentOf(this.roster, this.models, this.absent)
      if (this.state.name === 'ready') for (const { resolve } of this.waiting.splice(0)) resolve()
      await this.jobs.tellPositions(this.events.ids)
    } catch (error) {
      this.answered = false
      if (error instanceof InvalidArgumentError) {
        this.fail(error)
        if (!this.joined) return
      }
      if (error instanceof StoreError && this.news.has(error.message))
        this.log.warn({ err: error }, 'the store failed')
    }
    if (this.disposing === null) this.refreshing = setTimeout(() => void this.refresh(), REFRESH_MS)
  }

  private fail(error: Error): void {
    const news = this.mistake?.message !== error.message
    this.mistake = error
    // At its start whoever awaits `ready()` says so.
    if (news && this.joined)
      this.log.error({ err: error }, 'this server takes no jobs: the queue has another store')
    for (const { reject } of this.waiting.splice(0)) reject(error)
  }

  /** The store is the queue's: from the beginning, or once more. */
  private mend(): void {
    if (this.mistake !== null) this.log.info({}, 'the store is the one of the queue again')
    this.mistake = null
    this.joined = true
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

  private full(full: 'queue' | 'key', there: number, { count }: JobRequest, maxUnfinished: number): Error {
    const { maxQueue } = this.config
    const pictures = full === 'queue' ? there + count - maxQueue : count
    const limits = { count, maxQueue, maxUnfinished }
    return fullError({ full, there }, limits, this.counted.estimateMs(this.roster, pictures))
  }

  /** Its message is the record: asked for later it might be forgotten. */
  private publish(message: string): void {
    const [id, fields] = JSON.parse(message) as [string, string[]]
    const record = recordOf(id, fields, -1)
    if (record !== null) publishJob(this, record.snapshot)
  }

  /** Whether a picture is one of a job that is kept: what expires or is deleted goes from the store first. */
  private async keeps(id: string, place: string): Promise<boolean> {
    const snapshot = await this.find(id)
    if (snapshot === null || (snapshot.expiresAt ?? Number.POSITIVE_INFINITY) <= Date.now()) return false
    return snapshot.pictures.some((one) => one.place === place)
  }

  private async shown(id: string, index: number): Promise<PictureInfo | undefined> {
    return (await this.find(id))?.pictures.find((one) => one.index === index)
  }
}
