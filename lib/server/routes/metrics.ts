import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ServerConfig } from '../config/schema'
import type { Context } from '../context'
import { HttpError } from '../errors'
import type { Keys } from '../keys'
import { isLoopback } from '../loopback'

/** `/metrics`, for whom the configuration says. */
export function registerMetrics(app: FastifyInstance, context: Context): void {
  const { metrics } = context
  metrics.watch(app)
  if (context.config.metrics === 'off') return
  app.get('/metrics', { config: { public: true }, schema: { hide: true } }, async (request, reply) => {
    if (!mayRead(context, request))
      throw new HttpError('invalid_api_key', 'Expected a key, or a program of this machine')
    reply.type(metrics.registry.contentType)
    return metrics.registry.metrics()
  })
}

/** Whether the setting `metrics` lets this one read them. */
export function mayRead(
  { config, keys }: { readonly config: Pick<ServerConfig, 'metrics'>; readonly keys: Keys },
  request: FastifyRequest,
): boolean {
  if (config.metrics === 'open' || keys.find(request.headers.authorization) !== null) return true
  return config.metrics === 'local' && isOfThisMachine(request)
}

/** Headers of proxies, each of which only some of them set. */
const FORWARDED = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'via',
] as const

/** What a proxy on this machine passes on is not of this machine, though its connection is. */
function isOfThisMachine({ headers, socket, hostname }: FastifyRequest): boolean {
  const direct = FORWARDED.every((name) => headers[name] === undefined) && isLoopback(hostname)
  return direct && isLoopback(socket.remoteAddress ?? '')
}
