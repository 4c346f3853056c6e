/** What takes jobs from the queues of a worker: of the own size, and of smaller ones. */
import type { WorkerConfig } from '../server/config/roles'
import type { Broker } from './broker'
import type { WorkerLog } from './log'
import { loadBull } from './packages'
import { News } from './refusal'

type BullWorker = import('bullmq').Worker
type BullJob = import('bullmq').Job

/** How often the log hears the same of a queue. */
const NEWS_MS = 60_000

/** How often a worker that ends looks whether its broker is still there. */
const LOOK_MS = 100

export class Takers {
  private readonly news = new News(NEWS_MS)
  private readonly byQueue = new Map<string, BullWorker>()
  private resting = false

  constructor(
    private readonly name: string,
    private readonly broker: Broker,
    private readonly config: WorkerConfig,
    private readonly log: WorkerLog,
    private readonly make: (job: BullJob, token: string) => Promise<void>,
  ) {}

  /** Takes from these queues from now on. */
  take(queues: readonly string[]): void {
    if (this.resting) for (const taker of this.byQueue.values()) taker.resume()
    this.resting = false
    for (const queue of queues) if (!this.byQueue.has(queue)) this.byQueue.set(queue, this.takerOf(queue))
  }

  /** Takes nothing until `take()`; what it has goes on. */
  rest(): void {
    if (this.resting) return
    this.resting = true
    for (const [queue, taker] of this.byQueue)
      taker.pause(true).catch((error: Error) => this.warn(error, queue))
  }

  /** Resolves once what was taken is settled, or the broker is away, as `isLost` says, and would not hear of it. */
  async close(isLost: () => boolean): Promise<void> {
    // BullMQ would wait for the broker: by force it does not.
    const closed = Promise.all([...this.byQueue.values()].map((taker) => taker.close(isLost())))
    let looking: NodeJS.Timeout | undefined
    const lost = new Promise<void>((resolve) => {
      looking = setInterval(() => isLost() && resolve(), LOOK_MS)
    })
    await Promise.race([closed, lost]).finally(() => clearInterval(looking))
    closed.catch(() => undefined)
  }

  private takerOf(queue: string): BullWorker {
    const { concurrency, queueLockSeconds } = this.config
    const { Worker } = loadBull()
    const lockDuration = queueLockSeconds * 1000
    const hold = (job: BullJob, token: string) => this.hold(job, token, lockDuration, queue)
    const taker = new Worker(queue, (job, token) => hold(job, token as string), {
      connection: this.broker.redis,
      prefix: this.broker.prefix,
      name: this.name,
      concurrency,
      lockDuration,
      skipLockRenewal: true,
      stalledInterval: lockDuration / 2,
      // Who was lost how often is counted in the job's own record.
      maxStalledCount: 1_000_000,
      drainDelay: 5,
      runRetryDelay: 500,
    })
    taker.on('error', (error) => this.warn(error, queue))
    return taker
  }

  /**
   * BullMQ renews by job. A worker that is given its own job again, because it stood still, would stop to renew the new lock
   * as the old attempt ends: it would lose a long job again and again.
   */
  private async hold(job: BullJob, token: string, lockMs: number, queue: string): Promise<void> {
    const renew = () => job.extendLock(token, lockMs).catch((error: Error) => this.warn(error, queue))
    const renewing = setInterval(renew, lockMs / 4)
    try {
      await this.make(job, token)
    } finally {
      clearInterval(renewing)
    }
  }

  private warn(error: Error, queue: string): void {
    const err = this.broker.explain(error)
    if (this.news.has(`${queue} ${err.message}`)) this.log.warn({ err, queue }, 'queue')
  }
}

/** BullMQ tries it no more, and keeps it where dashboards show it. */
export function setAside(code: string): Error {
  return new (loadBull().UnrecoverableError)(code)
}
