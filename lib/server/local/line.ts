import type { JobLog } from './job-log'

/** Positions are told at most this often: with a thousand jobs each start moves all of them. */
const TELL_EVERY_MS = 200

/** Jobs that have not begun, and how many are to begin before each: higher priority first, then arrival. */
export class Line {
  private readonly jobs = new Set<JobLog>()
  private timer: NodeJS.Timeout | null = null

  get length(): number {
    return this.jobs.size
  }

  get pictures(): number {
    let sum = 0
    for (const { request } of this.jobs) sum += request.count
    return sum
  }

  enter(job: JobLog): void {
    const { priority } = job.request
    let ahead = 0
    for (const other of this.jobs) if (other.request.priority >= priority) ahead += 1
    if (ahead < this.jobs.size) this.tellSoon() // some went back by one
    this.jobs.add(job)
    job.position = ahead
  }

  leave(job: JobLog): void {
    if (!this.jobs.delete(job)) return
    job.position = null
    if (this.jobs.size > 0) this.tellSoon()
  }

  close(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }

  private tellSoon(): void {
    if (this.timer !== null) return
    this.timer = setTimeout(() => this.tell(), TELL_EVERY_MS)
    this.timer.unref()
  }

  private tell(): void {
    this.timer = null
    // A sort is stable: equals stay in order of arrival.
    const inOrder = [...this.jobs].sort((a, b) => b.request.priority - a.request.priority)
    inOrder.forEach((job, position) => {
      if (job.position === position) return
      job.position = position
      job.add({ type: 'queued', position, warnings: job.warnings })
    })
  }
}
