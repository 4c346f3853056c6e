import { joinSignals } from '../checks/signals'
import { BrokerError } from '../index'
import type { FollowOptions, JobEvent } from '../server'
import type { Broker } from './broker'

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

  constructor(private readonly broker: Broker) {}

  get ids(): string[] {
    return [...this.followed.keys()]
  }

  /** As `Backend.follow()`: while the broker is away it waits. */
  async *follow(id: string, { after, signal }: FollowOptions = {}): AsyncGenerator<JobEvent, void, void> {
    const { signal: stop, release } = joinSignals(this.closing.signal, signal)
    const bell = new Bell()
    const unlisten = this.broker.listen(this.broker.key('wake', id), () => bell.ring())
    this.followed.set(id, (this.followed.get(id) ?? 0) + 1)
    try {
      let seen: string | null = null
      for (let quiet = true; !stop.aborted; ) {
        bell.hush()
        try {
          seen ??= await this.placeOf(id, after)
          if (seen === BEGINNING) {
            const accepted = await this.accepted(id)
            seen = ACCEPTED
            if (accepted !== null) yield accepted
          }
          // Asked first: what ends between the two questions has its last event in the answer to the second.
          const over: boolean = quiet && (await this.isOver(id))
          for (const event of await this.read(id, seen)) {
            if (stop.aborted) return
            seen = event.id
            yield event
            if (event.type === 'done' || event.type === 'error') return
          }
          if (over) return
        } catch (error) {
          if (!(error instanceof BrokerError)) throw error
        }
        quiet = !(await bell.wait(LOOK_AGAIN_MS, stop))
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

  private async read(id: string, after: string): Promise<JobEvent[]> {
    const key = this.broker.key('events', id)
    const entries = await this.broker.answer((redis) => redis.xrange(key, `(${after}`, '+'))
    return entries.map(([entry, fields]) => eventOf(entry, fields[1] ?? '{}'))
  }

  /** Where to read on: what is no id of this stream, or one after its end, is the beginning. */
  private async placeOf(id: string, after: string | undefined): Promise<string> {
    if (after === ACCEPTED) return ACCEPTED
    if (after === undefined || !/^\d{1,16}-\d{1,10}$/.test(after)) return BEGINNING
    const key = this.broker.key('events', id)
    const [last] = await this.broker.answer((redis) => redis.xrevrange(key, '+', '-', 'COUNT', 1))
    return last !== undefined && compare(after, last[0]) <= 0 ? after : BEGINNING
  }

  /** What a job's acceptance tells; null where there is no such job. */
  private async accepted(id: string): Promise<JobEvent | null> {
    const key = this.broker.key('job', id)
    const [position, warnings] = await this.broker.answer((redis) => redis.hmget(key, 'position', 'warnings'))
    if (position == null) return null
    return {
      id: ACCEPTED,
      type: 'queued',
      position: Number(position),
      warnings: JSON.parse(warnings ?? '[]'),
    }
  }

  private async isOver(id: string): Promise<boolean> {
    const key = this.broker.key('job', id)
    const status = await this.broker.answer((redis) => redis.hget(key, 'status'))
    return status !== 'queued' && status !== 'running'
  }
}

/** Wakes one waiting reader; a ring that comes before the wait is not lost. */
class Bell {
  private rung = false
  private wake: (() => void) | null = null

  ring(): void {
    this.rung = true
    this.wake?.()
  }

  hush(): void {
    this.rung = false
  }

  /** True where it rang, false after `ms`. */
  async wait(ms: number, signal: AbortSignal): Promise<boolean> {
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
    return this.rung
  }
}

function compare(a: string, b: string): number {
  const [[aTime = 0, aNumber = 0], [bTime = 0, bNumber = 0]] = [a, b].map((id) =>
    id.split('-').map(Number),
  ) as [number[], number[]]
  return aTime - bTime || aNumber - bNumber
}

function eventOf(id: string, text: string): JobEvent {
  const event = JSON.parse(text) as JobEvent
  if (event.type !== 'preview') return { ...event, id }
  return { ...event, id, data: Buffer.from(event.data as unknown as string, 'base64') }
}
