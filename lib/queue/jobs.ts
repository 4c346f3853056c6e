import { createHash, randomBytes, randomInt } from 'node:crypto'
import type { JobError, JobPage, JobRequest, PictureInfo } from '../server'
import type { Broker } from './broker'
import { type JobRecord, recordOf } from './record'

/** What ends a job. */
export type JobEnd =
  | { readonly status: 'succeeded' }
  | { readonly status: 'failed' | 'canceled'; readonly error: JobError }

export type Submitted =
  | { readonly made: true; readonly id: string; readonly position: number }
  | { readonly found: string }
  | { readonly full: 'queue' | 'key'; readonly there: number }

/** A worker's hold on a job; it ends when another worker is given the job. */
export interface Attempt {
  readonly id: string
  /** The fence: the job's highest number holds it. */
  readonly number: string
  readonly request: JobRequest
  /** The request's, or one for each picture: drawn when the job was accepted, so that every attempt makes the same. */
  readonly seed: number | readonly number[]
  readonly createdAt: number
  /** Attempts that failed by a fault of their machine. */
  readonly faults: number
}

/** What became of a picture: clients do not see it, they see it, or they see it and its job ended with it. */
export type Shown = 'hidden' | 'shown' | 'last'

/** What a follower sees of a job. */
export interface Look {
  readonly position: number
  readonly warnings: readonly string[]
  /** Ids and bodies. */
  readonly events: readonly (readonly [id: string, body: string])[]
  /** Once it is over. */
  readonly ended: JobRecord | null
}

/** Status, position, warnings, events of a stream, and a record's fields and values. */
export type RawLook = [string?, string?, string?, [id: string, [field: string, body: string]][]?, string[]?]

/** An event's place in its job's stream, which a later one of the same place takes over. */
export type Told = readonly [slot: string, event: object]

export interface SubmitFacts {
  readonly queue: string
  readonly server: string
  readonly maxQueue: number
  readonly maxUnfinished: number
  readonly timeToLiveMs: number
}

const POISON: JobError = {
  code: 'POISON',
  message: 'The job was set aside: every worker that took it was lost.',
  retryable: false,
  param: null,
}

/** Jobs that are looked at in one script: nobody else is served meanwhile. */
const MENDED_AT_ONCE = 1000

const DONE = JSON.stringify({ type: 'done' })

/** All jobs, as Redis holds them. */
export class Jobs {
  private lastTime = 0

  constructor(private readonly broker: Broker) {}

  /** Writes a job's record. It is accepted once it is enqueued, too. */
  async submit(request: JobRequest, facts: SubmitFacts): Promise<Submitted> {
    const id = this.newId()
    return submittedOf(
      id,
      await this.broker.script<RawSubmitted>('submit', ...submissionOf(id, request, facts)),
    )
  }

  /** The same, sent at once; null where the broker does not know the script, and has done nothing. */
  async submitLoaded(id: string, request: JobRequest, facts: SubmitFacts): Promise<Submitted | null> {
    const raw = await this.broker.loadedScript<RawSubmitted>('submit', ...submissionOf(id, request, facts))
    return raw === null ? null : submittedOf(id, raw)
  }

  /** Gives the job to the queue. Safe twice: what is there, running or over stays what it is. */
  async enqueue(id: string, queue: string, priority: number): Promise<void> {
    await this.broker.enqueue(queue, id, bullPriority(priority))
  }

  /** A worker takes a job; null where it is over, POISON where it took so many workers with it that it is over now. */
  async begin(
    id: string,
    token: string,
    worker: string,
    maxLost: number,
  ): Promise<Attempt | 'POISON' | null> {
    const given = await this.broker.script<string[] | 'POISON' | null>(
      'begin',
      id,
      token,
      worker,
      Date.now(),
      maxLost,
      JSON.stringify(POISON),
      JSON.stringify({ type: 'error', error: POISON }),
    )
    if (given === null || given === 'POISON') return given
    const [number = '', request = '', seed = '', createdAt, faults] = given
    return {
      id,
      number,
      request: JSON.parse(request) as JobRequest,
      seed: JSON.parse(seed) as Attempt['seed'],
      createdAt: Number(createdAt),
      faults: Number(faults),
    }
  }

  /** False where the job is not this attempt's any more: then its worker stops. */
  async tell({ id, number }: Attempt, events: readonly Told[], warnings: readonly string[] = []) {
    const pairs = events.flatMap(([slot, event]) => [slot, JSON.stringify(event)])
    const known = warnings.length === 0 ? '' : JSON.stringify(warnings)
    return (await this.broker.script<number>('tell', id, number, known, ...pairs)) === 1
  }

  /** Shows a picture that lies in the store, at `place`. The last one ends its job. */
  async show({ id, number }: Attempt, picture: PictureInfo & { readonly place: string }): Promise<Shown> {
    const { index, bytes, place } = picture
    const event = JSON.stringify({ type: 'image', picture })
    const args = [index, place, JSON.stringify(picture), bytes, event, DONE, Date.now()]
    const outcome = await this.broker.script<0 | 1 | 2>('picture', id, number, ...args)
    return (['hidden', 'shown', 'last'] as const)[outcome]
  }

  /** Ends a job, by its attempt or by anyone; the first end stays. */
  async finish(id: string, attempt: Attempt | null, end: JobEnd): Promise<boolean> {
    const error = end.status === 'succeeded' ? null : end.error
    const event = error === null ? DONE : JSON.stringify({ type: 'error', error })
    const text = error === null ? '' : JSON.stringify(error)
    const args = [id, attempt?.number ?? '', end.status, text, event, Date.now()]
    return (await this.broker.script<number>('finish', ...args)) === 1
  }

  /** Lets go of a job that another worker is to make; `fault` where this machine was to blame. */
  async release({ id, number }: Attempt, fault: boolean): Promise<void> {
    const event = JSON.stringify({ type: 'queued', position: 0, warnings: [] })
    await this.broker.script('release', id, number, event, fault ? 1 : 0)
  }

  /** The events after one, and what else is to be known of them; null where there is no such job. */
  async look(id: string, after: string): Promise<Look | null> {
    return lookOf(id, await this.broker.script<RawLook>('look', id, after))
  }

  async find(id: string): Promise<JobRecord | null> {
    const [fields, rank] = await this.broker.script<[string[], number]>('find', id)
    return recordOf(id, fields, rank)
  }

  async list(owner: string, limit: number, after: string | undefined): Promise<JobPage> {
    const key = this.broker.key('owner', owner)
    const from = after === undefined ? '+' : `(${after}`
    const ids = await this.broker.answer((redis) =>
      redis.zrevrangebylex(key, from, '-', 'LIMIT', 0, limit + 1),
    )
    const found = await Promise.all(ids.slice(0, limit).map((id) => this.find(id)))
    const jobs = found.flatMap((record) => record?.snapshot ?? [])
    return { jobs, next: ids.length > limit ? (ids[limit - 1] ?? null) : null }
  }

  /** Tells jobs where they stand in the line, if that has changed. */
  async tellPositions(ids: readonly string[]): Promise<void> {
    for (let i = 0; i < ids.length; i += 200) await this.broker.script('positions', ...ids.slice(i, i + 200))
  }

  async forget(id: string): Promise<boolean> {
    return (await this.broker.script<number>('forget', id)) === 1
  }

  /** Some jobs whose time has come: unfinished past their deadline, or finished past their time to live. */
  async due(kind: 'deadlines' | 'expiry', limit = 100): Promise<string[]> {
    const key = this.broker.key(kind)
    return this.broker.answer((redis) => redis.zrangebyscore(key, '-inf', Date.now(), 'LIMIT', 0, limit))
  }

  /**
   * Jobs whose records were lost: what they stood for in counts and limits goes with them. It looks at a part of all jobs, from
   * where anyone's last look ended, and at nothing within a pause after one.
   */
  async mend(pauseMs: number): Promise<readonly string[]> {
    return this.broker.script<string[]>('mend', MENDED_AT_ONCE, pauseMs)
  }

  /** Forgets a finished job later. */
  async postpone(id: string, ms: number): Promise<void> {
    const key = this.broker.key('expiry')
    await this.broker.answer((redis) => redis.zadd(key, 'XX', Date.now() + ms, id))
  }

  async counts(): Promise<Readonly<Record<string, number>>> {
    const counts = await this.broker.answer((redis) => redis.hgetall(this.broker.key('counts')))
    return Object.fromEntries(Object.entries(counts).map(([name, text]) => [name, Number(text)]))
  }

  /** Sorts by time; 128 random bits, because an id is what a picture's address rests on. */
  newId(): string {
    this.lastTime = Math.max(Date.now(), this.lastTime + 1)
    return `job_${this.lastTime.toString(36).padStart(9, '0')}${randomBytes(16).toString('hex')}`
  }
}

type RawSubmitted = ['made' | 'found' | 'queue' | 'key', string | number]

function submissionOf(id: string, request: JobRequest, facts: SubmitFacts): (string | number)[] {
  const { owner, idempotencyKey, count, priority, deadline } = request
  const fields = {
    request: JSON.stringify(request),
    seed: JSON.stringify(request.options.seed ?? Array.from({ length: count }, () => randomInt(2 ** 32))),
    createdAt: Date.now(),
    ttl: facts.timeToLiveMs,
    server: facts.server,
  }
  return [
    id,
    owner,
    idempotencyKey === null ? '' : hashOf(owner, idempotencyKey),
    count,
    bullPriority(priority),
    facts.maxQueue,
    Math.min(facts.maxUnfinished, Number.MAX_SAFE_INTEGER),
    facts.queue,
    deadline ?? '',
    ...Object.entries(fields).flat(),
  ]
}

function submittedOf(id: string, [outcome, value]: RawSubmitted): Submitted {
  if (outcome === 'found') return { found: String(value) }
  if (outcome === 'made') return { made: true, id, position: Number(value) }
  return { full: outcome, there: Number(value) }
}

/** Of the script `look`, or of the message that a job has ended. */
export function lookOf(
  id: string,
  [status, position, warnings = '[]', entries = [], fields = []]: RawLook,
): Look | null {
  if (status === undefined) return null
  return {
    position: Number(position),
    warnings: JSON.parse(warnings) as string[],
    events: entries.map(([entry, [, body]]) => [entry, body]),
    ended: recordOf(id, fields, -1),
  }
}

/** BullMQ's 1 goes first, our 10. */
function bullPriority(priority: number): number {
  return 11 - Math.round(priority)
}

function hashOf(owner: string, key: string): string {
  return createHash('sha256').update(`${owner}\0${key}`).digest('hex')
}
