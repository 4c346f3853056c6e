import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** In logs and metrics the status of a request whose client went away before the answer began, as proxies have it. */
const CLIENT_GONE = 499

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

/** Calls once for each request: fastify's own hook does not run where nobody is left to answer. */
export function onEnd(
  app: FastifyInstance,
  handle: (request: FastifyRequest, reply: FastifyReply, status: number) => void,
): void {
  const ended = new WeakSet<object>()
  const end = (request: FastifyRequest, reply: FastifyReply, status: number) => {
    if (ended.has(reply.raw)) return
    ended.add(reply.raw)
    handle(request, reply, status)
  }
  app.addHook('onRequest', async (request, reply) => {
    const { raw } = reply
    raw.once('close', () => {
      if (!raw.writableFinished) end(request, reply, raw.headersSent ? raw.statusCode : CLIENT_GONE)
    })
  })
  app.addHook('onResponse', async (request, reply) => end(request, reply, reply.statusCode))
}
