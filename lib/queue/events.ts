import { joinSignals } from '../checks/signals'
import { BrokerError } from '../index'
import type { FollowOptions, JobEvent, JobSnapshot } from '../server'
import { CANCELED, LOST } from '../server/errors'
import type { Broker } from './broker'
import { type Jobs, type Look, lookOf } from './jobs'
import type { JobRecord } from './record'

/** A message may be missed while a connection is new: readers look again this often. */
const LOOK_AGAIN_MS = 2000

const BEGINNING = '0-0'

/** The id of the first event, which is in no stream: a stream takes more memory than all else of a job that waits. */
const ACCEPTED = '0-1'

/** The events of jobs: streams in Redis, read by any server from any place on. */
export class Events {
  /** Jobs that somebody follows here, and how many do. */
  private readonly followed = new Map<string, number>()
  private readonly closing = new AbortController()

  constructor(
    private readonly broker: Broker,
    private readonly jobs: Jobs,
  ) {}

  get ids(): string[] {
    return [...this.followed.keys()]
  }

  /** As `Backend.follow()`: while the broker is away it waits. */
  async *follow(
    id: string,
    { after, signal, last = false, known }: FollowOptions = {},
  ): AsyncGenerator<JobEvent, void, void> {
    const { signal: stop, release } = joinSignals(this.closing.signal, signal)
    const bell = new Bell(last)
    const unlisten = this.broker.listen(this.broker.key('wake', id), (message) => bell.ring(message))
    this.followed.set(id, (this.followed.get(id) ?? 0) + 1)
    try {
      let seen: string | null = null
      while (!stop.aborted) {
        bell.hush()
        try {
          seen ??= await this.placeOf(id, after)
          const from: string = seen === BEGINNING ? ACCEPTED : seen
          const look = bell.heard === '' ? await this.jobs.look(id, from) : lookOf(id, JSON.parse(bell.heard))
          if (look === null) {
            if (known !== undefined && !stop.aborted) yield endOf(lostOf(known), from)
            return
          }
          for (const event of eventsOf(look, from, seen === BEGINNING)) {
            if (stop.aborted) return
            seen = event.id
            if (!last || isEnd(event)) yield event
            if (isEnd(event)) return
          }
          if (look.ended !== null) {
            // Its stream was lost, but for whoever has heard the end already.
            if (seen !== after) yield endOf(look.ended.snapshot, from)
            return
          }
        } catch (error) {
          if (!(error instanceof BrokerError)) throw error
        }
        await bell.wait(LOOK_AGAIN_MS, stop)
      }
    } finally {
      release()
      unlisten()
      const others = (this.followed.get(id) ?? 1) - 1
      if (others > 0) this.followed.set(id, others)
      else this.followed.delete(id)
    }
  }

  /** Ends all following. */
  close(): void {
    this.closing.abort()
  }

  /** Where to read on: what is no id of this stream, or one after its end, is the beginning. */
  private async placeOf(id: string, after: string | undefined): Promise<string> {
    if (after === ACCEPTED) return ACCEPTED
    if (after === undefined || !/^\d{1,16}-\d{1,10}$/.test(after)) return BEGINNING
    const key = this.broker.key('events', id)
    const [last] = await this.broker.answer((redis) => redis.xrevrange(key, '+', '-', 'COUNT', 1))
    return last !== undefined && compare(after, last[0]) <= 0 ? after : BEGINNING
  }
}

/** Wakes one waiting reader; a ring that comes before the wait is not lost. */
class Bell {
  /** The end of the job, whole; empty before it. */
  heard = ''
  private rung = false
  private wake: (() => void) | null = null

  /** `last`: rings at the end of the job only. */
  constructor(private readonly last: boolean) {}

  ring(message: string): void {
    if (this.last && message === '') return
    this.rung = true
    this.heard ||= message
    this.wake?.()
  }

  hush(): void {
    this.rung = false
  }

  /** Until it rings, and at most for `ms`. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.rung && !signal.aborted)
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', end)
          this.wake = null
          resolve()
        }
        const timer = setTimeout(end, ms)
        this.wake = end
        signal.addEventListener('abort', end, { once: true })
      })
  }
}

function compare(a: string, b: string): number {
  const [[aTime = 0, aNumber = 0], [bTime = 0, bNumber = 0]] = [a, b].map((id) =>
    id.split('-').map(Number),
  ) as [number[], number[]]
  return aTime - bTime || aNumber - bNumber
}

/** `fromBeginning`: what its acceptance tells comes first. */
function eventsOf(
  { position, warnings, events, ended }: Look,
  after: string,
  fromBeginning: boolean,
): JobEvent[] {
  const accepted = { id: ACCEPTED, type: 'queued', position, warnings } as const
  return [
    ...(fromBeginning ? [accepted] : []),
    ...events.filter(([id]) => compare(id, after) > 0).map(([id, body]) => eventOf(id, body, ended)),
  ]
}

/** A record was deleted, or the broker forgot all of them. */
function lostOf(known: JobSnapshot): JobSnapshot {
  const now = Date.now()
  // Pictures lie in the store, but nobody knows where.
  const nothing = { position: null, pictures: [] }
  return { ...known, ...nothing, status: 'failed', finishedAt: now, expiresAt: now, error: LOST }
}

/** The last event of a job, made of what is known of it. */
function endOf(job: JobSnapshot, seen: string): JobEvent {
  const [time, number] = seen.split('-').map(Number) as [number, number]
  const id = `${time}-${number + 1}`
  if (job.status === 'succeeded') return { id, type: 'done', job }
  return { id, type: 'error', error: job.error ?? CANCELED, job }
}

function isEnd(event: JobEvent): event is JobEvent & { type: 'done' | 'error' } {
  return event.type === 'done' || event.type === 'error'
}

function eventOf(id: string, body: string, ended: JobRecord | null): JobEvent {
  const event = { ...JSON.parse(body), id } as JobEvent
  if (event.type === 'preview')
    return { ...event, data: Buffer.from(event.data as unknown as string, 'base64') }
  if (ended !== null && isEnd(event)) return { ...event, job: ended.snapshot }
  return event
}
