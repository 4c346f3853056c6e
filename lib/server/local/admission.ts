import { InvalidArgumentError, QueueFullError, WuerstchenError } from '../../index'
import type { JobRequest } from '../backend'
import type { JobStore } from './job-store'
import type { Throughput } from './throughput'

/** A result lives until its time ends: what would make room early is to take no more. */
export function checkRoom(store: JobStore, maxKeptBytes: number): void {
  store.sweep()
  const expiry = store.nextExpiry
  if (store.keptBytes < maxKeptBytes || expiry === null) return
  throw new QueueFullError(
    `Expected at most ${maxKeptBytes} bytes of finished pictures but ${store.keptBytes} are kept.`,
    { details: { limit: 'kept', retryAfterMs: Math.max(1000, expiry - Date.now()) } },
  )
}

/** One owner's part of the queue. */
export function checkShare(
  unfinished: Iterable<{ readonly request: JobRequest }>,
  { owner, count }: JobRequest,
  maxUnfinished: number,
  throughput: Throughput,
): void {
  const own = [...unfinished].filter(({ request }) => request.owner === owner).length
  if (own < maxUnfinished) return
  throw new QueueFullError(
    `Expected at most ${maxUnfinished} unfinished jobs of this key but there are ${own}.`,
    { details: { limit: 'key', retryAfterMs: throughput.estimateMs(count) } },
  )
}

/** What the pipeline says of its queue, in a client's words: when there is room again, or that there never is. */
export function refusalOf(error: unknown, { count }: JobRequest, throughput: Throughput): unknown {
  if (!(error instanceof WuerstchenError)) return error
  const { maxQueue = 0, waiting = 0 } = (error.details ?? {}) as Record<string, number>
  if (error instanceof InvalidArgumentError && maxQueue > 0) return neverFits(count, maxQueue)
  if (!(error instanceof QueueFullError)) return error
  const retryAfterMs = throughput.estimateMs(waiting + count - maxQueue)
  return new QueueFullError(error.message, { cause: error, details: { ...error.details, retryAfterMs } })
}

/** For more pictures than an empty queue takes. */
export function neverFits(count: number, maxQueue: number): InvalidArgumentError {
  return new InvalidArgumentError(`Expected n to be at most ${maxQueue} (maxQueue) but received ${count}`, {
    details: { name: 'n' },
  })
}

/** An idempotency key stands for one request. */
export function checkSame(known: JobRequest, request: JobRequest): void {
  const wish = ({ prompt, model, count, options, format, quality }: JobRequest) =>
    JSON.stringify([prompt, model, count, Object.entries(options).sort(), format, quality])
  if (wish(known) === wish(request)) return
  throw new InvalidArgumentError(
    'Expected the idempotency key to come with the request that it was first used for but received another one.',
    { details: { name: 'Idempotency-Key' } },
  )
}
