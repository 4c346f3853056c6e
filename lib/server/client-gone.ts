import type { FastifyReply } from 'fastify'

/** Aborts when the connection closes before the answer is written. (A request itself is closed once its body is read.) */
export function clientGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  if (raw.destroyed) gone.abort()
  else
    raw.once('close', () => {
      if (!raw.writableFinished) gone.abort()
    })
  return gone.signal
}
