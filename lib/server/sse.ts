import { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'

export interface ServerEvent {
  readonly event: string
  readonly id?: string
  readonly data: unknown
}

/** A comment this often keeps proxies from closing a quiet stream, and finds out that a client is gone. */
const HEARTBEAT_MS = 15_000

/**
 * Answers with server-sent events. They are read no faster than the client takes them, and no more once it is gone.
 * @param events must not throw: what goes wrong is an event, too.
 */
export function sendEvents(
  reply: FastifyReply,
  events: AsyncIterable<ServerEvent>,
  heartbeatMs = HEARTBEAT_MS,
): FastifyReply {
  reply.header('content-type', 'text/event-stream; charset=utf-8')
  reply.header('cache-control', 'no-store')
  reply.header('x-accel-buffering', 'no') // nginx
  return reply.send(Readable.from(textOf(events, heartbeatMs), { highWaterMark: 1 }))
}

async function* textOf(events: AsyncIterable<ServerEvent>, heartbeatMs: number): AsyncGenerator<string> {
  // At once: so that the client has its headers before the first event, which may take long.
  yield 'retry: 2000\n\n'
  const reader = events[Symbol.asyncIterator]()
  try {
    let next = reader.next()
    for (;;) {
      const result = await orSilence(next, heartbeatMs)
      if (result === null) yield ': still here\n\n'
      else if (result.done) return
      else {
        yield frame(result.value)
        next = reader.next()
      }
    }
  } finally {
    await reader.return?.()
  }
}

/** JSON has no line breaks, so that one `data:` line is enough. */
export function frame({ event, id, data }: ServerEvent): string {
  const head = id === undefined ? '' : `id: ${id}\n`
  return `${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}

async function orSilence<T>(work: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms)
  })
  try {
    return await Promise.race([work, silence])
  } finally {
    clearTimeout(timer)
  }
}

/** A stream of events in the OpenAPI document. Some readers take its schema for the text and some for each event: it has none. */
export const EVENT_STREAM = { 'text/event-stream': { schema: Type.Unknown() } }
