/** Signals of callers, which may be of another realm or a polyfill: only what `abortSignal()` checks is asked of them. */

/** One signal that aborts with the first of several. */
interface JoinedSignal {
  readonly signal: AbortSignal
  /** Aborts it as well. Later calls do nothing. */
  abort(reason?: unknown): void
  /** Stops listening to the others. */
  release(): void
}

/** `AbortSignal.any` takes signals of its own realm alone. */
export function joinSignals(...signals: readonly (AbortSignal | undefined)[]): JoinedSignal {
  const joined = new AbortController()
  const releases = signals
    .filter((signal) => signal !== undefined)
    .map((signal) => {
      const abort = () => joined.abort(signal.reason)
      if (!signal.aborted) return onAbort(signal, abort)
      abort()
      return () => undefined
    })
  return {
    signal: joined.signal,
    abort: (reason) => joined.abort(reason),
    release: () => {
      for (const release of releases) release()
    },
  }
}

interface Listener {
  readonly tell: () => void
  readonly works: Set<() => void>
}

/** One for each signal, however many calls share it: from the eleventh on Node warns of a leak. */
const listeners = new WeakMap<AbortSignal, Listener>()

/** Does `work` when the signal aborts, until it is released. It must not throw. A signal that has aborted stays silent. */
export function onAbort(signal: AbortSignal | undefined, work: () => void): () => void {
  if (signal === undefined) return () => undefined
  const listener = listeners.get(signal) ?? listenTo(signal)
  const own = () => work() // the same function may be given twice
  listener.works.add(own)
  return () => {
    if (listener.works.delete(own) && listener.works.size === 0) leave(signal, listener)
  }
}

function listenTo(signal: AbortSignal): Listener {
  const works = new Set<() => void>()
  const tell = () => {
    leave(signal, listener)
    for (const work of works) {
      works.delete(work)
      work()
    }
  }
  const listener = { tell, works }
  listeners.set(signal, listener)
  signal.addEventListener('abort', tell, { once: true })
  return listener
}

function leave(signal: AbortSignal, listener: Listener): void {
  if (listeners.get(signal) === listener) listeners.delete(signal)
  signal.removeEventListener('abort', listener.tell)
}
