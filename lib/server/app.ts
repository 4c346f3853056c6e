import { randomUUID } from 'node:crypto'
import type { Server as HttpServer, IncomingHttpHeaders } from 'node:http'
import cors from '@fastify/cors'
import rateLimit, { type RateLimitPluginOptions } from '@fastify/rate-limit'
import fastify, {
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify'
import { onEnd } from './client-gone'
import type { Context } from './context'
import { HttpError } from './errors'
import { registerGuard } from './guard'
import { type Logger, loggingOf } from './log'
import { registerOpenApi } from './openapi'
import { hangUp, refuse, useErrors } from './refuse'
import { registerHealth } from './routes/health'
import { registerInfo } from './routes/info'
import { registerJobs } from './routes/jobs'
import { registerMetrics } from './routes/metrics'
import { registerOpenAi } from './routes/openai'
import { ErrorBody } from './schemas/pictures'
import { registerTracing } from './tracing'
import { buildValidator } from './validation'
import { registerWeb } from './web'

/** A client that reads nothing for so long while an answer waits for it is let go. */
const STALLED_MS = 60_000

/** Seconds of the machine's own keep-alive probes: they find connections whose other end is gone. */
const PROBE_MS = 30_000

/** All routes on one backend. */
export function buildApp(context: Context, logger?: Logger): FastifyInstance {
  const app = fastify(optionsOf(context, logger))
  app.server.maxConnections = context.config.maxConnections
  // Else Node refuses what it expects, in a shape of its own; the guard does it in ours.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  strictContentTypes(app)
  useErrors(app, context)
  registerLogging(app, context)
  registerTracing(app, context.backend)
  registerMetrics(app, context)
  registerCors(app, context)
  registerGuard(app, context)
  registerLimits(app)
  app.addSchema(ErrorBody)
  registerOpenApi(app, context)
  app.register(async (routes) => {
    registerHealth(routes, context)
    registerOpenAi(routes, context)
    registerJobs(routes, context)
    registerInfo(routes, context)
    if (context.config.web) registerWeb(routes)
  })
  return app
}

/**
 * Answers are built by hand, field by field: a serializer for each route would double the time of a start. Tests check them
 * against their schemas.
 */
const buildSerializer = () => () => JSON.stringify

// Its type asks for the one of a package that fastify brings along.
const VALIDATION = { compilersFactory: { buildValidator, buildSerializer } } as unknown as NonNullable<
  FastifyHttpOptions<HttpServer>['schemaController']
>

function optionsOf({ config }: Context, logger?: Logger): FastifyHttpOptions<HttpServer> {
  return {
    ...(logger === undefined ? { logger: loggingOf(config.logLevel) } : { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true }),
    // What the router refuses before any route is found.
    frameworkErrors: (error, _request, reply) => {
      refuse(error, reply as unknown as FastifyReply)
    },
    clientErrorHandler: hangUp,
    schemaController: VALIDATION,
    genReqId: ({ headers }) => {
      const given = headers['x-request-id']
      return typeof given === 'string' && /^[\w.-]{1,128}$/.test(given) ? given : randomUUID()
    },
    trustProxy: config.trustProxy,
    bodyLimit: config.maxBodyBytes,
    requestTimeout: config.bodyTimeoutSeconds * 1000,
    keepAliveTimeout: 72_000, // longer than the minute of most load balancers
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
    http: {
      headersTimeout: Math.min(config.headerTimeoutSeconds, config.bodyTimeoutSeconds) * 1000,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 16_384,
      requireHostHeader: false, // the guard asks for it
      keepAlive: true,
      keepAliveInitialDelay: PROBE_MS,
    },
  }
}

/** JSON in UTF-8 as it is, or no body at all. */
function strictContentTypes(app: FastifyInstance): void {
  // After the hooks of routes: some answer before they look at a body.
  app.addHook('preParsing', async ({ headers }, _reply, payload) => {
    checkCoding(headers)
    return payload
  })
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  // Clients that always say JSON say so of no body, too.
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) =>
    body === '' ? done(null, undefined) : parse(request, body, done),
  )
}

function checkCoding(headers: IncomingHttpHeaders): void {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(type) ?? []
  if (!/^utf-?8$/i.test(charset))
    throw new HttpError(
      'unsupported_media_type',
      `Expected charset to be utf-8 but received ${charset.slice(0, 40)}`,
      {
        param: 'content-type',
      },
    )
  if (encoding.toLowerCase() !== 'identity')
    throw new HttpError(
      'unsupported_media_type',
      `Expected no Content-Encoding but received ${encoding.slice(0, 40)}`,
      {
        param: 'content-encoding',
      },
    )
}

/** One line for each request; never its body, its query or its key. */
function registerLogging(app: FastifyInstance, { backend }: Context): void {
  onEnd(app, (request, reply, status) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? null,
        status,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        client: request.client?.name ?? null,
      },
      'request',
    )
  })
  app.addHook('onSend', async ({ raw }, reply) => {
    if (backend.state.name === 'draining') reply.header('connection', 'close')
    // The socket of `inject()` has no such thing.
    if ('setTimeout' in raw.socket) raw.socket.setTimeout(STALLED_MS)
  })
}

/** Before the guard: a preflight request carries no key. */
function registerCors(app: FastifyInstance, { config }: Context): void {
  app.register(cors, {
    origin: config.cors.length === 0 ? false : config.cors.includes('*') ? '*' : [...config.cors],
    methods: ['GET', 'POST', 'PUT', 'DELETE'],
    allowedHeaders: [
      'authorization',
      'content-type',
      'idempotency-key',
      'last-event-id',
      'wuerstchen-timeout-ms',
    ],
    exposedHeaders: ['location', 'retry-after', 'x-request-id'],
    maxAge: 600,
  })
}

function registerLimits(app: FastifyInstance): void {
  const perMinute: RateLimitPluginOptions = {
    max: ({ client }) => client?.requestsPerMinute ?? 0,
    timeWindow: 60_000,
    keyGenerator: ({ client, ip }) =>
      client === null || client.name === 'local' ? ip : `key ${client.name}`,
    // Public routes have no client; 0 is no limit.
    allowList: ({ client }) => client === null || client.requestsPerMinute === 0,
    errorResponseBuilder: (_request, { ttl, max }) =>
      new HttpError('rate_limit_exceeded', `Expected at most ${max} requests a minute of this key`, {
        retryAfterMs: ttl,
      }),
  }
  app.register(rateLimit, perMinute)
}
