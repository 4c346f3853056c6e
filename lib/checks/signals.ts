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
  const sources = signals.filter((signal) => signal !== undefined)
  const listeners = sources.map((source) => ({ source, onAbort: () => joined.abort(source.reason) }))
  for (const { source, onAbort } of listeners) {
    if (source.aborted) onAbort()
    else source.addEventListener('abort', onAbort, { once: true })
  }
  return {
    signal: joined.signal,
    abort: (reason) => joined.abort(reason),
    release: () => {
      for (const { source, onAbort } of listeners) source.removeEventListener('abort', onAbort)
    },
  }
}
