import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify'
import type { Context } from './context'
import { type Answer, answerOf, HttpError, type HttpErrorCode } from './errors'
import { Paths } from './paths'

/** Fastify's own refusals in our words. */
const OF_FASTIFY: Readonly<Record<string, HttpErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
}

/** The client went away while it sent a body: fastify marks them with a status of the client's. */
const BROKEN_OFF = ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE']

export function useErrors(app: FastifyInstance, { metrics }: Context): void {
  const paths = new Paths(app)
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { status, body } = refuse(error, reply)
    metrics.error(body.error.code)
    if (status === 500) request.log.error({ err: error }, 'request failed')
  })
  app.setNotFoundHandler(async (request) => {
    const { method, url } = request
    const allow = paths.methodsOf(url)
    if (allow.length > 0 && !allow.includes(method))
      throw new HttpError(
        'method_not_allowed',
        `Expected ${allow.join(' or ')} for this path but received ${method}`,
        { allow },
      )
    throw new HttpError(
      'not_found',
      `Expected a path of this server: ${method} has no such one, see /openapi.json`,
    )
  })
}

export function refuse(error: FastifyError, reply: FastifyReply): Answer {
  const answer = answerOf(ours(error))
  const { status, body, headers } = answer
  // What is left of a body that nobody reads would be taken for the next request.
  if ([413, 415, 417].includes(status)) reply.header('connection', 'close')
  void reply.code(status).headers(headers).type('application/json').send(body)
  return answer
}

function ours(error: FastifyError): unknown {
  const { code, statusCode = 500, message } = error
  if (error instanceof HttpError || statusCode >= 500) return error
  if (BROKEN_OFF.includes(code))
    return new HttpError('invalid_request', 'Expected a whole body but it ended early')
  return code?.startsWith('FST_') ? new HttpError(OF_FASTIFY[code] ?? 'invalid_request', message) : error
}

/** What never became a request: no HTTP, too long, or too slow. */
export function hangUp(error: Error & { code?: string }, socket: Socket): void {
  const code = OF_PARSER[error.code ?? ''] ?? 'invalid_request'
  const { status, body } = answerOf(new HttpError(code, `Expected an HTTP request: ${error.message}`))
  const text = JSON.stringify(body)
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Length: ${Buffer.byteLength(text)}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n`
  socket.write(head + text, () => socket.destroy())
}

const OF_PARSER: Readonly<Record<string, HttpErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}
