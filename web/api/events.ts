import { createParser } from 'eventsource-parser'
import { ApiError, type Client } from './client'
import type { JobEvent } from './types'

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 20_000

/**
 * Events of a job until its last one. A stream that breaks goes on where it was. EventSource would be shorter, but sends no
 * key.
 * @throws ApiError when the server does not know the job, or refuses the key.
 */
export async function* follow(client: Client, id: string, signal: AbortSignal): AsyncGenerator<JobEvent> {
  let after: string | undefined
  let pauseMs = FIRST_PAUSE_MS
  while (!signal.aborted) {
    try {
      const { body } = await client.events(id, after, signal)
      for await (const { eventId, ...event } of eventsIn(body)) {
        yield event as JobEvent
        if (event.type === 'done' || event.type === 'error') return
        after = eventId ?? after
        pauseMs = FIRST_PAUSE_MS
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiError && error.final) throw error
    }
    await pause(pauseMs, signal)
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }
}

interface RawEvent {
  readonly type: string
  readonly data: unknown
  readonly eventId: string | undefined
}

/** With a reader: not every browser can iterate over a stream. */
async function* eventsIn(body: ReadableStream<Uint8Array> | null): AsyncGenerator<RawEvent> {
  if (body === null) return
  const found: RawEvent[] = []
  const parser = createParser({
    onEvent: ({ event = 'message', id, data }) =>
      found.push({ type: event, data: JSON.parse(data), eventId: id }),
  })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      parser.feed(decoder.decode(value, { stream: true }))
      yield* found.splice(0)
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}
