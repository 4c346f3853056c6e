import { StoreError } from '../index'
import type { JobError } from '../server'
import type { Broker } from './broker'
import type { Jobs } from './jobs'
import type { WorkerLog } from './log'
import type { JobRecord } from './record'
import type { PictureStore } from './store'

const EVERY_MS = 1000

/** Lost records are looked for in every so many rounds, and by all processes of a queue together once in so long. */
const MEND_EVERY = 5
const MEND_PAUSE_MS = 1000

const POSTPONE_MS = 60_000

const TOO_LATE: JobError = {
  code: 'ERR_WUERSTCHEN_TIMEOUT',
  message: 'The time of the job ran out before it was finished.',
  retryable: true,
  param: null,
}

/**
 * Ends jobs whose deadline is over, wherever they are, and jobs that were lost. Forgets results whose time to live is over,
 * if their pictures are in its store. Every server and worker has one: what two do at once is done once.
 */
export class Janitor {
  private timer: NodeJS.Timeout | null = null
  private closed = false
  private rounds = 0
  private identity: string | null = null

  constructor(
    private readonly broker: Broker,
    private readonly jobs: Jobs,
    private readonly store: PictureStore,
    private readonly log: () => WorkerLog,
  ) {}

  start(): void {
    if (this.closed) return
    // Not all at the same moment.
    this.timer = setTimeout(() => void this.round(), EVERY_MS * (0.75 + Math.random() / 2))
  }

  close(): void {
    this.closed = true
    if (this.timer !== null) clearTimeout(this.timer)
  }

  private async round(): Promise<void> {
    try {
      for (const id of await this.jobs.due('deadlines')) await this.overdue(id)
      if (this.rounds++ % MEND_EVERY === 0) await this.mend()
      if (await this.hasStore()) for (const id of await this.jobs.due('expiry')) await this.expired(id)
    } catch {
      // The broker or the store is away: the next round does it.
    }
    this.start()
  }

  private async mend(): Promise<void> {
    const jobs = await this.jobs.mend(MEND_PAUSE_MS)
    if (jobs.length > 0) this.log().warn({ jobs }, 'the broker lost the records of jobs')
  }

  private async overdue(id: string): Promise<void> {
    const record = await this.jobs.find(id)
    await this.jobs.finish(id, null, { status: 'failed', error: TOO_LATE })
    if (record !== null) await this.broker.dequeue(record.queue, id)
  }

  private async expired(id: string): Promise<void> {
    try {
      await this.drop(id)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.log().warn({ err: error, job: id }, 'the store failed')
      // Its pictures would be orphans: others come first, until the store works.
      await this.jobs.postpone(id, POSTPONE_MS)
    }
  }

  /** @throws StoreError while the queue has another store: pictures of what is forgotten would stay there for ever. */
  async forget(id: string, known?: JobRecord): Promise<boolean> {
    if (await this.hasStore()) return this.drop(id, known)
    throw new StoreError('Expected store to be the one of this queue, which has the pictures of its jobs.')
  }

  private async hasStore(): Promise<boolean> {
    this.identity ??= await this.store.identity()
    return (await this.broker.answer((redis) => redis.get(this.broker.key('store')))) === this.identity
  }

  /** Pictures first: of what is forgotten nobody knows where they lie. */
  private async drop(id: string, known?: JobRecord): Promise<boolean> {
    const record = known ?? (await this.jobs.find(id))
    for (const place of record?.places.values() ?? []) await this.store.remove(place)
    return this.jobs.forget(id)
  }
}
