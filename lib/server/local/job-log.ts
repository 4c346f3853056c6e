import { onAbort } from '../../checks/signals'
import type {
  FollowOptions,
  JobError,
  JobEvent,
  JobRequest,
  JobSnapshot,
  JobStatus,
  PictureInfo,
} from '../backend'

/** The job itself is added when the event is read. */
type EventBody = JobEvent extends infer Event
  ? Event extends JobEvent
    ? Omit<Event, 'id' | 'job'>
    : never
  : never

interface Kept {
  readonly number: number
  readonly body: EventBody
}

/**
 * One job: what it is now, and the events that a reader who comes late still needs. Of each picture the latest step and
 * preview are kept, so a log has a bounded size however long the job runs and however slow its readers are.
 */
export class JobLog {
  status: JobStatus = 'queued'
  readonly createdAt = Date.now()
  startedAt: number | null = null
  finishedAt: number | null = null
  expiresAt: number | null = null
  position: number | null = null
  warnings: readonly string[] = []
  error: JobError | null = null
  readonly pictures = new Map<number, PictureInfo>()
  /** Encoded pictures, by index. */
  readonly data = new Map<number, Uint8Array>()
  /** By what a later event of the same kind takes the place of; in order of their numbers. */
  private readonly kept = new Map<string, Kept>()
  private readonly waiting = new Set<() => void>()
  private readonly waitingForEnd = new Set<() => void>()
  private last = 0

  constructor(
    readonly id: string,
    readonly request: JobRequest,
  ) {}

  get ended(): boolean {
    return this.finishedAt !== null
  }

  /** Bytes of its pictures. */
  get bytes(): number {
    return [...this.data.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
  }

  add(body: EventBody): void {
    const number = ++this.last
    const key = slotOf(body)
    this.kept.delete(key)
    this.kept.set(key, { number, body })
    if (body.type === 'image') this.kept.delete(`preview ${body.picture.index}`)
    for (const wake of [...this.waiting, ...(this.ended ? this.waitingForEnd : [])]) wake()
  }

  end(status: 'succeeded' | 'failed' | 'canceled', error: JobError | null = null): void {
    if (this.ended) return
    this.status = status
    this.error = error
    this.position = null
    this.finishedAt = Date.now()
    this.add(error === null ? { type: 'done' } : { type: 'error', error })
  }

  async *follow({ after, signal, last = false }: FollowOptions): AsyncGenerator<JobEvent, void, void> {
    const waiting = last ? this.waitingForEnd : this.waiting
    let wake = () => {}
    const release = onAbort(signal, () => wake())
    try {
      for (let seen = numberOf(after, this.last); !signal?.aborted; ) {
        const next = last ? this.kept.get('end') : this.firstAfter(seen)
        if (next !== undefined && next.number > seen) {
          seen = next.number
          yield this.eventOf(next)
        } else if (this.ended) return
        else
          await new Promise<void>((resolve) => {
            wake = resolve
            waiting.add(wake)
          })
        waiting.delete(wake)
      }
    } finally {
      release()
    }
  }

  snapshot(): JobSnapshot {
    const { id, status, request, createdAt, startedAt, finishedAt, expiresAt, position, warnings, error } =
      this
    const pictures = [...this.pictures.values()].sort((a, b) => a.index - b.index)
    return {
      id,
      status,
      request,
      createdAt,
      startedAt,
      finishedAt,
      expiresAt,
      position,
      pictures,
      warnings,
      error,
    }
  }

  private eventOf({ number, body }: Kept): JobEvent {
    const event = { id: String(number), ...body }
    return event.type === 'done' || event.type === 'error' ? { ...event, job: this.snapshot() } : event
  }

  private firstAfter(number: number): Kept | undefined {
    for (const kept of this.kept.values()) if (kept.number > number) return kept
    return undefined
  }
}

function slotOf(body: EventBody): string {
  switch (body.type) {
    case 'step':
    case 'preview':
      return `${body.type} ${body.index}`
    case 'image':
      return `image ${body.picture.index}`
    case 'queued':
      return 'queued'
    default:
      return 'end'
  }
}

/** What a reader has seen; nothing where the id is none of ours. */
function numberOf(id: string | undefined, last: number): number {
  const number = id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : 0
  return number <= last ? number : 0
}
