/** Functions of callers that are told of progress while a call is under way. */

/** What such functions threw, or rejected with later. */
interface Callbacks {
  /** A function that calls `callback`. What it throws is thrown; what it rejects with later is kept for `finished()`. */
  readonly calling: <Args extends readonly unknown[]>(
    callback: ((...args: Args) => unknown) | undefined,
  ) => (...args: Args) => void
  /** Whether this is what a callback threw or rejected with. */
  readonly threw: (error: unknown) => boolean
  /** Waits for all that were called; rejects with what the first of them rejected with. */
  readonly finished: () => Promise<void>
}

/** An exception of a callback ends its own call: it is neither lost nor an unhandled rejection of the process. */
export function callbacks(onRejected: (reason: unknown) => void = () => undefined): Callbacks {
  const pending = new Set<Promise<void>>()
  let thrown: { readonly reason: unknown } | null = null
  const keep = (reason: unknown) => {
    thrown ??= { reason }
  }
  return {
    calling:
      (callback) =>
      (...args) => {
        if (callback === undefined) return
        if (thrown !== null) throw thrown.reason
        try {
          const result = callback(...args)
          if (typeof (result as PromiseLike<unknown> | null)?.then !== 'function') return
          const waiting = Promise.resolve(result)
            .then(
              () => undefined,
              (reason) => {
                keep(reason)
                onRejected(reason)
              },
            )
            .finally(() => pending.delete(waiting))
          pending.add(waiting)
        } catch (reason) {
          keep(reason)
          throw reason
        }
      },
    threw: (error) => thrown !== null && thrown.reason === error,
    finished: async () => {
      await Promise.all(pending)
      if (thrown !== null) throw thrown.reason
    },
  }
}
