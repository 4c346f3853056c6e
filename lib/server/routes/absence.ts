import type { Context } from '../context'
import { HttpError } from '../errors'

const LOOK_EVERY_MS = 250

/** A worker that starts anew needs some seconds. */
const RETRY_AFTER_MS = 10_000

/** Why a call does not wait any longer for its pictures; null while somebody makes them, or did so a moment ago. */
function absenceOf({ backend, config }: Context, model: string | null): HttpError | null {
  const since = backend.absentSince?.(model) ?? null
  const { workerWaitSeconds } = config
  if (since === null || Date.now() - since < workerWaitSeconds * 1000) return null
  return new HttpError(
    'unavailable',
    `Expected a worker to answer but for ${workerWaitSeconds} s none could be reached. POST /v1/jobs takes a job that waits for one.`,
    { retryAfterMs: RETRY_AFTER_MS },
  )
}

/** For a call that would wait for nobody. */
export function checkPresence(context: Context, model: string | null): void {
  const absence = absenceOf(context, model)
  if (absence !== null) throw absence
}

/** Aborts, with the error as its reason, when nobody makes the pictures any more that a call waits for. */
export class Presence {
  private readonly lost = new AbortController()
  private readonly timer: NodeJS.Timeout

  constructor(context: Context, model: string | null) {
    this.timer = setInterval(() => {
      const absence = absenceOf(context, model)
      if (absence !== null) this.lost.abort(absence)
    }, LOOK_EVERY_MS)
    this.timer.unref()
  }

  get signal(): AbortSignal {
    return this.lost.signal
  }

  /** The call is over. */
  end(): void {
    clearInterval(this.timer)
  }
}
