import { QueueFullError } from '../index'
import type { JobRequest, JobSnapshot } from '../server'
import type { Broker } from './broker'
import type { Jobs, SubmitFacts, Submitted } from './jobs'

/** How jobs come into a queue: a record of ours, and an entry of BullMQ's. Whoever has both is accepted. */
export class Acceptance {
  /** The first job loads the script, and under load most are refused: then a job's entry waits for its record. */
  private careful = true

  constructor(
    private readonly broker: Broker,
    private readonly jobs: Jobs,
    /** That have a job before it counts as accepted. */
    private readonly replicas: number,
  ) {}

  async submit(request: JobRequest, facts: SubmitFacts): Promise<Submitted> {
    const fast = request.idempotencyKey === null && !this.careful
    const outcome = (fast ? await this.atOnce(request, facts) : null) ?? (await this.byTurns(request, facts))
    this.careful = 'full' in outcome
    if ('made' in outcome) await this.broker.replicated(this.replicas)
    return outcome
  }

  /** Gives a job that has a record to the queue. Safe twice: what is there, running or over stays what it is. */
  async enqueue(id: string, queue: string, priority: number): Promise<void> {
    await this.jobs.enqueue(id, queue, priority)
    await this.broker.replicated(this.replicas)
  }

  private async byTurns(request: JobRequest, facts: SubmitFacts): Promise<Submitted> {
    const outcome = await this.jobs.submit(request, facts)
    if ('made' in outcome) await this.jobs.enqueue(outcome.id, facts.queue, request.priority)
    return outcome
  }

  /**
   * Both in one write, which saves a turn. The record goes first: a worker that is given an entry without one drops it. So
   * an entry that is left over, of a job that was refused, does no harm. Null where the broker has lost the script, as by
   * SCRIPT FLUSH: then nothing is written, and the entry may already be dropped.
   */
  private async atOnce(request: JobRequest, facts: SubmitFacts): Promise<Submitted | null> {
    const id = this.jobs.newId()
    const [record, entry] = await Promise.allSettled([
      this.jobs.submitLoaded(id, request, facts),
      this.jobs.enqueue(id, facts.queue, request.priority),
    ])
    if (record.status === 'rejected') throw record.reason
    if (record.value === null || !('made' in record.value)) void this.broker.dequeue(facts.queue, id)
    else if (entry.status === 'rejected') throw entry.reason
    return record.value
  }
}

/** A job that was accepted a moment ago. */
export function snapshotOf(id: string, request: JobRequest, position: number): JobSnapshot {
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

/** Why a job is not accepted, and when to ask again. */
export function fullError(
  { full: limit, there }: { readonly full: 'queue' | 'key'; readonly there: number },
  {
    count,
    maxQueue,
    maxUnfinished,
  }: { readonly count: number; readonly maxQueue: number; readonly maxUnfinished: number },
  retryAfterMs: number,
): QueueFullError {
  const message =
    limit === 'queue'
      ? `Expected at most ${maxQueue} pictures in the queue but there are ${there}, and ${count} more were asked for.`
      : `Expected at most ${maxUnfinished} unfinished jobs of this key but there are ${there}.`
  return new QueueFullError(message, { details: { limit, retryAfterMs } })
}
