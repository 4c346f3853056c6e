import { type BatchLimits, type Candidate, chooseBatch, inTurn } from './batching'

/** A job as the crowd sees it. */
export interface Member extends Candidate {
  waited: number
  /** Batch entries that it takes in any of its stages at most. */
  readonly mostRows: number
  /** The largest `share` that it has in any of its stages. */
  readonly mostShare: number
}

/**
 * Rows that may be on their way at once, in batches. Two: while one runs, those who will fill the next are there; more would
 * only finish later.
 */
const BATCHES = 2

/** Every so manieth place goes to whoever arrived first, whatever its priority. */
const FAIR = 8

/**
 * Everybody on the way. A few are let in: they take turns, and hold memory. The others hold none, and wait outside in order
 * of priority, then arrival. So however many there are, those who are begun are finished soon.
 */
export class Crowd<Job extends Member> {
  /** As they were let in. */
  private inside: readonly Job[] = []
  /** In order of priority, then arrival. */
  private outside: Job[] = []
  private entered = 0

  get size(): number {
    return this.inside.length + this.outside.length
  }

  /** All of them, in no order that means anything. */
  get members(): readonly Job[] {
    return [...this.inside, ...this.outside]
  }

  add(jobs: readonly Job[]): void {
    const inOrder = jobs.every((job, index) => {
      const before = index === 0 ? this.outside.at(-1) : jobs[index - 1]
      return before === undefined || inTurn(before, job) <= 0
    })
    this.outside.push(...jobs)
    // Most come last; of equals whoever came before stays before.
    if (!inOrder) this.outside.sort(inTurn)
  }

  remove(leaves: (job: Job) => boolean): void {
    this.inside = this.inside.filter((job) => !leaves(job))
    if (this.outside.some(leaves)) this.outside = this.outside.filter((job) => !leaves(job))
  }

  /** Who takes the next turn, among those who may; empty when there is nobody. */
  next(limits: BatchLimits, may: (job: Job) => boolean = () => true): Job[] {
    this.letIn(limits.maxRows, may)
    const batch = chooseBatch(this.inside.filter(may), limits)
    for (const job of this.inside) job.waited = batch.includes(job) ? 0 : job.waited + 1
    return batch
  }

  private letIn(maxRows: number, may: (job: Job) => boolean): void {
    for (;;) {
      const inside = this.inside.filter(may)
      const first = this.outside.find(may)
      const next = this.entered % FAIR === FAIR - 1 ? this.eldest(may) : first
      const due = next !== first
      if (next === undefined || !hasRoom(inside, next, maxRows * BATCHES, due)) return
      this.outside.splice(this.outside.indexOf(next), 1)
      this.inside = [...this.inside, next]
      this.entered += 1
    }
  }

  private eldest(may: (job: Job) => boolean): Job | undefined {
    let eldest: Job | undefined
    for (const job of this.outside) {
      if ((eldest === undefined || job.arrival < eldest.arrival) && may(job)) eldest = job
    }
    return eldest
  }
}

/**
 * Whether one more may come in. Those of lower priority do not count against it, up to twice the rows: so it need not
 * wait until one of them is done. Nor does anybody whose turn it is by arrival.
 */
function hasRoom(inside: readonly Member[], next: Member, rows: number, due: boolean): boolean {
  if (inside.length === 0) return true
  const rivals = inside.filter(({ priority }) => priority >= next.priority)
  return (
    rowsOf(inside) + next.mostRows <= 2 * rows &&
    (due || rowsOf(rivals) + next.mostRows <= rows) &&
    hasMemory([...inside, next])
  )
}

/** Whether each of these could take a turn alone, with what the others hold beside it. */
function hasMemory(jobs: readonly Member[]): boolean {
  const kept = jobs.reduce((sum, job) => sum + job.kept, 0)
  return kept + Math.max(...jobs.map(({ mostShare }) => mostShare)) <= 1
}

function rowsOf(jobs: readonly Member[]): number {
  return jobs.reduce((sum, { mostRows }) => sum + mostRows, 0)
}
