import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { InvalidArgumentError, type StreamEvent } from '../index'
import type { WorkerConfig } from '../server/config/roles'
import { jobErrorOf } from '../server/errors'
import { Throughput } from '../server/local/throughput'
import { encode, mediaTypeOf } from '../server/pictures'
import { generateOptionsOf, modelOf, type ServedPipeline } from '../server/served-pipeline'
import {
  NO_ATTEMPTS,
  type Outcome,
  type Probes,
  type WorkerNumbers,
  type WorkerState,
} from '../server/worker-probes'
import type { Broker } from './broker'
import { openBroker, storeOf } from './config'
import { Janitor } from './janitor'
import { type Attempt, Jobs, type Shown } from './jobs'
import { isTold, sayOf, sayOpen, sayRefusal, type WorkerLog } from './log'
import { isMachines } from './machine-faults'
import { loadBull } from './packages'
import { Report } from './report'
import { ANNOUNCE_MS, announce, farewell, limitsOf, queueOf, readRoster, type WorkerCard } from './roster'
import type { PictureStore } from './store'
import { setAside, Takers } from './takers'

type BullJob = import('bullmq').Job

/** A worker that the broker has not heard for so long says that it is lost. */
const LOST_MS = 3 * ANNOUNCE_MS

const TRY_AGAIN_MS = 1000

/** Why an attempt stops before its end. */
type Stop = 'over' | 'handed on'

/** Makes the pictures of a queue, with a pipeline of its own. */
export class QueueWorker {
  readonly id = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`
  private readonly broker: Broker
  private readonly jobs: Jobs
  private readonly store: PictureStore
  private readonly janitor: Janitor
  private readonly throughput = new Throughput()
  /** What stops its jobs, by id: from before the broker gives a job away, so that no word in between is missed. */
  private readonly holds = new Map<string, AbortController>()
  /** Whether its drain is over: what it holds, and what still reaches it, is handed on. */
  private handsOn = false
  private readonly takers: Takers
  /** Which store it has. */
  private identity = ''
  /** Why it takes no jobs: the queue has another store. */
  private mistake: Error | null = null
  private announcing: NodeJS.Timeout | null = null
  private closing: Promise<void> | null = null
  private known = false // to servers
  /** `performance.now()` of its last word to the broker. */
  private heardAt = Number.NEGATIVE_INFINITY
  private readonly attempts: Record<Outcome, number> = { ...NO_ATTEMPTS }

  /** @internal */
  constructor(
    private readonly pipeline: ServedPipeline,
    private readonly config: WorkerConfig,
    readonly log: WorkerLog,
    private readonly probes: Probes | null = null,
  ) {
    this.broker = openBroker(config, true)
    this.jobs = new Jobs(this.broker)
    this.store = storeOf(config)
    this.janitor = new Janitor(this.broker, this.jobs, this.store, () => log)
    this.takers = new Takers(this.id, this.broker, config, log, (job, token) => this.make(job, token))
    this.broker.watch(sayOf(log), sayRefusal(log), sayOpen(log))
    probes?.watch(() => this.numbers)
  }

  /** Begins to take jobs; resolves once servers know of it. */
  async start(): Promise<void> {
    this.identity = await this.store.identity()
    this.broker.listen(this.broker.key('worker', this.id), (job) => this.stop(job, 'over'))
    // A broker that refuses is waited for, as one that is away: the log says why.
    for (await this.appear(); !this.known && this.closing === null; await this.appear())
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS))
    this.janitor.start()
  }

  /**
   * Takes no more jobs, finishes those it has for at most `drainMs`, and hands what is left on to other workers. Safe twice.
   */
  close({ drainMs = this.config.drainSeconds * 1000 }: { readonly drainMs?: number } = {}): Promise<void> {
    this.closing ??= this.end(drainMs)
    return this.closing
  }

  /** What its probes tell. */
  get numbers(): WorkerNumbers {
    const { pipeline, attempts, throughput } = this
    return {
      state: this.state,
      jobs: this.holds.size,
      attempts,
      picturesPerSecond: throughput.picturesPerSecond,
      memoryBytes: pipeline.memory().held,
      stages: pipeline.statistics.stages,
      broker: this.broker.health,
    }
  }

  private get state(): WorkerState {
    if (this.closing !== null) return 'draining'
    return this.mistake === null && performance.now() - this.heardAt < LOST_MS ? 'ready' : 'lost'
  }

  /** The story of a job on its worker. */
  private async make(job: BullJob, token: string): Promise<void> {
    const id = job.id as string
    const stop = new AbortController()
    this.holds.set(id, stop)
    if (this.handsOn) this.stop(id, 'handed on')
    try {
      const attempt = await this.jobs.begin(id, token, this.id, this.config.maxWorkersLost)
      if (attempt === null) return // over before its turn came: canceled, or too late
      if (attempt === 'POISON') throw setAside('POISON')
      await this.attempt(job, token, attempt, stop)
    } finally {
      if (this.holds.get(id) === stop) this.holds.delete(id) // else it was given the job again meanwhile
    }
  }

  private async attempt(job: BullJob, token: string, attempt: Attempt, stop: AbortController): Promise<void> {
    this.throughput.begin()
    try {
      await this.paint(attempt, stop)
      this.attempts.succeeded++
    } catch (error) {
      await this.settle(job, token, attempt, stop.signal.reason as Stop | undefined, error)
    } finally {
      this.throughput.end()
    }
  }

  /** From the prompt to pictures in the store. The pipeline batches what its jobs have in common. */
  private async paint(attempt: Attempt, stop: AbortController): Promise<void> {
    const { request, seed } = attempt
    const report = new Report(this.jobs, attempt, () => stop.abort('over' satisfies Stop))
    const options = { ...generateOptionsOf(request), seed, signal: stop.signal }
    const keeping: Promise<Shown>[] = []
    const telling: Promise<void>[] = []
    try {
      for await (const event of this.pipeline.stream(request.prompt, options)) {
        if (event.type === 'queued') report.warn(event.warnings)
        if (event.type === 'step') report.step(event)
        // Beside the next steps: encoding and storing is work of other threads.
        if (event.type === 'image') keeping.push(this.keep(attempt, event, report, stop))
        if (event.type === 'preview') telling.push(report.preview(event))
      }
      await Promise.all(telling)
      const shown = await Promise.all(keeping)
      // All were shown by attempts before this one.
      if (!shown.includes('last')) await this.jobs.finish(attempt.id, attempt, { status: 'succeeded' })
    } finally {
      report.end()
      await Promise.allSettled([...keeping, ...telling])
    }
  }

  private async keep(
    attempt: Attempt,
    { index, image, timings }: StreamEvent & { type: 'image' },
    report: Report,
    stop: AbortController,
  ): Promise<Shown> {
    const { format, quality } = attempt.request
    this.throughput.picture()
    report.finished(index)
    const encoding = encode(image, format, quality)
    const mediaType = mediaTypeOf(format)
    // A name of its own: an attempt that was thought lost overwrites nothing.
    const place = `${attempt.id}/${attempt.number}-${index}.${format}`
    await this.store.put(place, encoding, mediaType)
    const { width, height, seed } = image
    const totalMs = Date.now() - attempt.createdAt
    const { byteLength: bytes } = await encoding
    const picture = { index, width, height, mediaType, bytes, seed, totalMs, timings, place }
    const shown = await this.jobs.show(attempt, picture)
    if (shown === 'last') report.end()
    if (shown !== 'hidden') return shown
    await this.store.remove(place).catch(() => undefined)
    // Shown by an earlier attempt, or no longer ours: the next word to the broker tells which.
    if (!(await this.jobs.tell(attempt, []))) stop.abort('over' satisfies Stop)
    return shown
  }

  /** What becomes of a job that was not finished; what this throws is for BullMQ. */
  private async settle(
    job: BullJob,
    token: string,
    attempt: Attempt,
    stopped: Stop | undefined,
    error: unknown,
  ) {
    if (stopped === 'over') {
      this.attempts.over++
      return
    }
    if (stopped === 'handed on') {
      this.attempts.handed_on++
      await this.jobs.release(attempt, false)
      await job.moveToWait(token)
      throw new (loadBull().WaitingError)()
    }
    const failure = jobErrorOf(error)
    const again = isMachines(failure.code) && attempt.faults + 1 < this.config.maxAttempts
    const facts = { job: attempt.id, attempt: attempt.number, code: failure.code, again, err: error }
    this.log.warn(facts, 'attempt failed')
    this.attempts[again ? 'retried' : 'failed']++
    if (again) {
      await this.jobs.release(attempt, true)
      throw error
    }
    await this.jobs.finish(attempt.id, attempt, { status: 'failed', error: failure })
    throw setAside(failure.code)
  }

  private stop(job: string, reason: Stop): void {
    this.holds.get(job)?.abort(reason)
  }

  /** Says that it is there, and takes from the queues of all sizes that it can make; again and again. */
  private async appear(): Promise<void> {
    const { maxPixels } = this.config
    const model = this.pipeline.info.model
    try {
      await announce(this.broker, this.card(true), this.identity)
      this.mend()
      const roster = await readRoster(this.broker, this.identity)
      if (this.closing !== null) return
      const limits = limitsOf(roster, model).filter((limit) => limit <= maxPixels)
      this.takers.take(limits.map((limit) => queueOf(model, limit)))
    } catch (error) {
      if (error instanceof InvalidArgumentError) this.rest(error)
      // Refusals are told by whoever asks: here they would be a line every other second.
      else if (!isTold(error)) this.log.warn({ err: error }, 'could not announce')
    }
    if (this.closing === null && this.known)
      this.announcing = setTimeout(() => void this.appear(), ANNOUNCE_MS)
  }

  /** The store is the queue's, and servers know of the worker. */
  private mend(): void {
    if (this.mistake !== null) this.log.info({}, 'the store is the one of the queue again')
    this.mistake = null
    this.known = true
    this.heardAt = performance.now()
  }

  /** Takes no jobs while the queue has another store: nobody would find the pictures. */
  private rest(error: Error): void {
    if (!this.known) throw error
    this.takers.rest()
    if (this.mistake?.message !== error.message)
      this.log.error({ err: error }, 'this worker takes no jobs: the queue has another store')
    this.mistake = error
  }

  private card(here: boolean): WorkerCard {
    return {
      id: this.id,
      model: modelOf(this.pipeline),
      maxPixels: this.config.maxPixels,
      concurrency: this.config.concurrency,
      running: this.holds.size,
      picturesPerSecond: this.throughput.picturesPerSecond,
      here,
    }
  }

  private async end(drainMs: number): Promise<void> {
    if (this.announcing !== null) clearTimeout(this.announcing)
    // One that could not start is none that may come back.
    const goodbye = this.known ? farewell(this.broker, this.card(false), this.identity) : null
    const { broker, holds } = this
    const finished = this.takers.close(() => !broker.connected && (holds.size === 0 || this.handsOn))
    const late = setTimeout(() => {
      this.handsOn = true
      for (const job of holds.keys()) this.stop(job, 'handed on')
    }, drainMs)
    await finished
    clearTimeout(late)
    if (broker.connected) await goodbye
    this.janitor.close()
    broker.close()
    this.store.close()
    await this.probes?.close()
    await this.pipeline.dispose()
  }
}
