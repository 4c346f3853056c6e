import { onAbort } from '../checks/signals'
import type { ImageTimings } from '../engine/clock'
import type { GeneratedImage } from '../image/generated-image'
import type { GeneratePreview, GenerateProgress, Request } from '../request/request'
import type { TruncatedPrompt } from '../text/truncated'

/** What `stream()` yields. */
export type StreamEvent =
  /** Once, first: the request was accepted. */
  | {
      readonly type: 'queued'
      readonly images: number
      readonly warnings: readonly string[]
      readonly truncated: readonly TruncatedPrompt[]
    }
  /** A step forward of one image. A slow reader gets the latest of each image, not all. */
  | ({ readonly type: 'step' } & GenerateProgress)
  /** What an image will show, small; only with `previewEvery`. A slow reader gets the latest of each image. */
  | ({ readonly type: 'preview' } & GeneratePreview)
  /** A finished image, as soon as it is; `index` is its place in the request. */
  | {
      readonly type: 'image'
      readonly index: number
      readonly image: GeneratedImage
      readonly timings: ImageTimings
    }

/** A request as events: `submit` starts it and pushes what happens. A reader who leaves aborts what is left. */
export async function* streamed(
  parsed: Request,
  submit: (request: Request, events: EventQueue) => Promise<unknown>,
): AsyncGenerator<StreamEvent, void, void> {
  const stop = new AbortController()
  const { signal } = parsed
  signal?.throwIfAborted()
  const release = onAbort(signal, () => stop.abort(signal?.reason))
  try {
    const events = new EventQueue()
    submit({ ...parsed, signal: stop.signal }, events).then(
      () => events.close(),
      (reason) => events.close({ reason }),
    )
    const { images, warnings, truncated } = parsed
    yield { type: 'queued', images: images.length, warnings, truncated }
    yield* events.read()
  } finally {
    release()
    stop.abort()
  }
}

/** Events between the engine, which never waits, and a reader, who may. At most three per image are kept. */
export class EventQueue {
  private readonly waiting: StreamEvent[] = []
  private end: { readonly reason?: unknown } | null = null
  private wake: (() => void) | null = null

  push(event: StreamEvent): void {
    const outdated = this.waiting.findIndex((other) => supersedes(event, other))
    if (outdated >= 0) this.waiting[outdated] = event
    else this.waiting.push(event)
    this.wake?.()
  }

  /** No event will follow; with a reason, reading ends by throwing it. */
  close(end: { readonly reason?: unknown } = {}): void {
    this.end ??= end
    this.wake?.()
  }

  async *read(): AsyncGenerator<StreamEvent, void, void> {
    for (;;) {
      const event = this.waiting.shift()
      if (event !== undefined) yield event
      else if (this.end === null) await this.arrival()
      else if ('reason' in this.end) throw this.end.reason
      else return
    }
  }

  private arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve
    })
  }
}

function supersedes(event: StreamEvent, other: StreamEvent): boolean {
  if (event.type !== 'step' && event.type !== 'preview') return false
  return other.type === event.type && event.index === other.index
}
