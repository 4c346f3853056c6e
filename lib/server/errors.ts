/** Every refusal as HTTP: status, OpenAI's shape, headers. docs/server.md lists them; a test keeps the two equal. */
import { BrokerError, StoreError, WuerstchenError } from '../index'
import type { JobError } from './backend'
import type { ErrorBody } from './schemas/pictures'

/** Codes of the HTTP layer, beside those of docs/errors.md. */
export const HTTP_ERRORS = {
  invalid_request: { status: 400, type: 'invalid_request_error' },
  unsupported: { status: 400, type: 'invalid_request_error' },
  invalid_api_key: { status: 401, type: 'authentication_error' },
  forbidden: { status: 403, type: 'permission_error' },
  not_found: { status: 404, type: 'invalid_request_error' },
  model_not_found: { status: 404, type: 'invalid_request_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  request_timeout: { status: 408, type: 'invalid_request_error' },
  canceled: { status: 409, type: 'invalid_request_error' },
  body_too_large: { status: 413, type: 'invalid_request_error' },
  unsupported_media_type: { status: 415, type: 'invalid_request_error' },
  expectation_failed: { status: 417, type: 'invalid_request_error' },
  headers_too_large: { status: 431, type: 'invalid_request_error' },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error' },
  unavailable: { status: 503, type: 'server_error' },
  internal: { status: 500, type: 'server_error' },
} as const
export type HttpErrorCode = keyof typeof HTTP_ERRORS

/** Status of the codes of docs/errors.md that can reach a client; any other is 500. */
export const STATUS_OF_CODE: Readonly<Record<string, { readonly status: number; readonly type: string }>> = {
  ERR_WUERSTCHEN_INVALID_ARGUMENT: HTTP_ERRORS.invalid_request,
  ERR_WUERSTCHEN_PROMPT_SYNTAX: HTTP_ERRORS.invalid_request,
  ERR_WUERSTCHEN_MEMORY_LIMIT: HTTP_ERRORS.invalid_request,
  ERR_WUERSTCHEN_TIMEOUT: HTTP_ERRORS.request_timeout,
  ERR_WUERSTCHEN_QUEUE_FULL: HTTP_ERRORS.rate_limit_exceeded,
  ERR_WUERSTCHEN_OUT_OF_MEMORY: HTTP_ERRORS.unavailable,
  ERR_WUERSTCHEN_DISPOSED: HTTP_ERRORS.unavailable,
  CANCELED: HTTP_ERRORS.canceled,
  ERR_WUERSTCHEN_BROKER_UNREACHABLE: HTTP_ERRORS.unavailable,
  ERR_WUERSTCHEN_STORE_FAILED: HTTP_ERRORS.unavailable,
  LOST: HTTP_ERRORS.unavailable,
  POISON: HTTP_ERRORS.internal,
}

/** The error of a job that its client canceled. */
export const CANCELED: JobError = {
  code: 'CANCELED',
  message: 'The job was canceled.',
  retryable: false,
  param: null,
}

/** The error of a job whose record is gone before its end. */
export const LOST: JobError = {
  code: 'LOST',
  message: 'The job was lost: there is no record of it any more. Submit it again.',
  retryable: true,
  param: null,
}

/** A refusal that the HTTP layer decides on. */
export class HttpError extends Error {
  constructor(
    readonly code: HttpErrorCode,
    message: string,
    readonly options: {
      readonly param?: string
      readonly retryAfterMs?: number
      /** Methods that the path does have. */
      readonly allow?: readonly string[]
    } = {},
  ) {
    super(message)
  }
}

/** The error of a job, as the answer to a request that waited for it. */
export class JobFailure extends Error {
  constructor(readonly job: JobError) {
    super(job.message)
  }
}

export interface Answer {
  readonly status: number
  readonly body: ErrorBody
  readonly headers: Readonly<Record<string, string>>
}

/** What a client is told of an error. Of one that is not ours it learns nothing but that it happened. */
export function answerOf(error: unknown): Answer {
  if (error instanceof HttpError) {
    const { param = null, retryAfterMs, allow } = error.options
    const { status, type } = HTTP_ERRORS[error.code]
    const found = answer(status, { message: error.message, type, param, code: error.code }, retryAfterMs)
    return allow === undefined ? found : { ...found, headers: { ...found.headers, allow: allow.join(', ') } }
  }
  const job = error instanceof JobFailure ? error.job : jobErrorOf(error)
  const { status, type } = STATUS_OF_CODE[job.code] ?? HTTP_ERRORS.internal
  return answer(status, { ...bodyOf(job), type }, retryAfterOf(error))
}

/** The error of a job as it stands in JSON. */
export function bodyOf({ code, message, param }: JobError): ErrorBody['error'] {
  const { type } = STATUS_OF_CODE[code] ?? HTTP_ERRORS.internal
  return { message, type, param, code }
}

/** An error as data; the message of one that is not ours could name files of the machine. */
export function jobErrorOf(error: unknown): JobError {
  if (!(error instanceof WuerstchenError)) {
    return {
      code: 'ERR_WUERSTCHEN_INTERNAL',
      message: 'The server failed. Its log has the reason.',
      retryable: false,
      param: null,
    }
  }
  const { code, retryable, details } = error
  if (error instanceof StoreError) return { code, message: STORE_FAILED, retryable, param: null }
  if (error instanceof BrokerError && details?.broker !== undefined)
    return { code, message: BROKER_REFUSES, retryable, param: null }
  // Of `priorTimesteps[3], the last,` the option.
  const name = typeof details?.name === 'string' ? (/^[\w-]+/.exec(details.name)?.[0] ?? null) : null
  const param = name === null ? null : snakeCase(name)
  const line = error.message.split('\n', 1)[0] ?? ''
  const message =
    name === null || param === null
      ? line
      : line.replace(`Expected ${name}`, `Expected ${param}`).replace(new RegExp(`^${name}: `), `${param}: `)
  return { code, message, retryable, param }
}

/** Which folder or bucket it is, and why it failed, is for the log. */
const STORE_FAILED = 'Expected the store of pictures to work but it failed. The log has the reason.'

/** The same of its broker's address and words. */
const BROKER_REFUSES = "Expected an answer of the queue's broker but it refuses. The log has the reason."

export function snakeCase(name: string): string {
  return /^[a-z]/.test(name) ? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : name
}

function retryAfterOf(error: unknown): number | undefined {
  const ms = (error as { details?: { retryAfterMs?: unknown } } | null)?.details?.retryAfterMs
  return typeof ms === 'number' ? ms : undefined
}

function answer(status: number, error: ErrorBody['error'], retryAfterMs?: number): Answer {
  const headers: Record<string, string> = {}
  const waits = status === 429 || status === 503
  if (waits) headers['retry-after'] = String(Math.max(1, Math.ceil((retryAfterMs ?? 5000) / 1000)))
  // The openai client asks again by itself after a 408: here the time was the caller's own.
  if (status === 408 || status === 409) headers['x-should-retry'] = 'false'
  return { status, body: { error }, headers }
}
