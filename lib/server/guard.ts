import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Context } from './context'
import { HttpError } from './errors'
import { isLoopback } from './loopback'

/** For whatever is no page: nothing in an answer of the API is to be run, framed or kept. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
} as const

/** With a port or without: it stands in the addresses of pictures. */
const HOST = /^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i

/** Headers for every answer, and a key for every route that is not public. */
export function registerGuard(app: FastifyInstance, context: Context): void {
  app.decorateRequest('client', null)
  app.decorateRequest('traceparent', null)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS).header('x-request-id', request.id)
    checkExpectation(request.raw)
    checkHost(request, context)
    if (request.routeOptions.config.public || request.is404) return
    request.client = context.keys.find(request.headers.authorization)
    if (request.client !== null) return
    reply.header('www-authenticate', 'Bearer realm="wuerstchen"')
    throw new HttpError('invalid_api_key', 'Expected the header Authorization: Bearer with a known API key')
  })
}

/** RFC 9110 knows no other; Node has answered this one already. */
function checkExpectation({ headers: { expect } }: IncomingMessage): void {
  if (expect === undefined || /^100-continue$/i.test(expect)) return
  const message = `Expected 100-continue in the header Expect but received ${expect.slice(0, 40)}`
  throw new HttpError('expectation_failed', message, { param: 'expect' })
}

/**
 * Without keys only the machine's own programs are meant. A web page elsewhere can make a browser send requests here, by a
 * name that it points at 127.0.0.1 or with an origin of its own: both are refused.
 */
function checkHost(request: FastifyRequest, { keys, config }: Context): void {
  if (!hasOneHost(request.raw) || !HOST.test(request.host) || !/^https?$/.test(request.protocol))
    throw new HttpError('invalid_request', 'Expected the name or address of a server in one header Host', {
      param: 'host',
    })
  if (keys.required) return
  const { hostname } = request
  if (!isLoopback(hostname) && hostname !== config.host)
    throw new HttpError(
      'forbidden',
      'Expected a loopback address in the header Host: this server has no keys',
    )
  const { origin } = request.headers
  if (origin === undefined || config.cors.includes('*') || config.cors.includes(origin)) return
  if (origin !== `${request.protocol}://${request.host}`)
    throw new HttpError('forbidden', 'Expected a page of this server in the header Origin: see cors')
}

/** RFC 9112 asks for it, whatever a proxy adds; HTTP/1.0 may have none. Two could name one server to a proxy, another here. */
function hasOneHost({ httpVersion, rawHeaders }: IncomingMessage): boolean {
  const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && /^host$/i.test(name)).length
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0')
}
