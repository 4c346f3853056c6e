import { randomBytes } from 'node:crypto'
import type { JobPage, JobRequest, JobSnapshot } from '../backend'
import { JobLog } from './job-log'

/** All jobs of this process: by id, by owner, by idempotency key, until their time to live ends. */
export class JobStore {
  private readonly jobs = new Map<string, JobLog>()
  private readonly byKey = new Map<string, JobLog>()
  /** Finished jobs in the order of their end, which is that of their expiry. */
  private readonly finished = new Set<JobLog>()
  private lastTime = 0
  keptBytes = 0

  constructor(private readonly timeToLiveMs: number) {}

  get keptJobs(): number {
    return this.finished.size
  }

  /** When the first of what is kept is forgotten; null where nothing is. */
  get nextExpiry(): number | null {
    const [first] = this.finished
    return first?.expiresAt ?? null
  }

  create(request: JobRequest): JobLog {
    const job = new JobLog(this.newId(), request)
    this.jobs.set(job.id, job)
    const key = keyOf(request)
    if (key !== null) this.byKey.set(key, job)
    return job
  }

  get(id: string): JobLog | undefined {
    this.sweep()
    return this.jobs.get(id)
  }

  /** The job that has this request's idempotency key. */
  sameKey(request: JobRequest): JobLog | undefined {
    this.sweep()
    const key = keyOf(request)
    return key === null ? undefined : this.byKey.get(key)
  }

  /** A job has ended: its time to live begins. */
  finish(job: JobLog): void {
    if (!this.jobs.has(job.id) || this.finished.has(job)) return
    job.expiresAt = (job.finishedAt ?? Date.now()) + this.timeToLiveMs
    this.finished.add(job)
    this.keptBytes += job.bytes
  }

  forget(job: JobLog): void {
    if (!this.jobs.delete(job.id)) return
    if (this.finished.delete(job)) this.keptBytes -= job.bytes
    const key = keyOf(job.request)
    if (key !== null && this.byKey.get(key) === job) this.byKey.delete(key)
  }

  list(owner: string, limit: number, after: string | undefined): JobPage {
    this.sweep()
    const older = [...this.jobs.values()]
      .filter((job) => job.request.owner === owner && (after === undefined || job.id < after))
      .reverse()
    const jobs: JobSnapshot[] = older.slice(0, limit).map((job) => job.snapshot())
    return { jobs, next: older.length > limit ? (jobs.at(-1)?.id ?? null) : null }
  }

  sweep(now = Date.now()): void {
    for (const job of this.finished) {
      if (job.expiresAt === null || job.expiresAt > now) return
      this.forget(job)
    }
  }

  /** Sorts by time; 128 random bits, because an id is what a picture's address rests on. */
  private newId(): string {
    this.lastTime = Math.max(Date.now(), this.lastTime + 1)
    return `job_${this.lastTime.toString(36).padStart(9, '0')}${randomBytes(16).toString('hex')}`
  }
}

function keyOf({ owner, idempotencyKey }: JobRequest): string | null {
  return idempotencyKey === null ? null : `${owner}\0${idempotencyKey}`
}
