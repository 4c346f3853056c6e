import { onAbort } from '../checks/signals'
import { TimeoutError } from '../errors'

/** How long a caller waits. */
export interface Deadline {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

/** Calls `stop` with the signal's reason when it aborts, or with a TimeoutError when the time is up, until it is released. */
export function onDeadline({ signal, timeoutMs }: Deadline, stop: (reason: unknown) => void): () => void {
  const release = onAbort(signal, () => stop(signal?.reason))
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => stop(timedOut(timeoutMs)), timeoutMs)
  return () => {
    release()
    clearTimeout(timer)
  }
}

/** The work's result, or a rejection at the deadline. Work that nobody waits for any more still ends by itself. */
export function withDeadline<Result>(work: Promise<Result>, deadline: Deadline): Promise<Result> {
  return new Promise((resolve, reject) => {
    const release = onDeadline(deadline, reject)
    work.then(resolve, reject).finally(release)
  })
}

function timedOut(timeoutMs: number): TimeoutError {
  return new TimeoutError(`Expected the request to be finished within ${timeoutMs} ms but it was not`, {
    details: { timeoutMs },
  })
}
