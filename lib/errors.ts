/**
 * Every error of this package, in one table. `docs/errors.md` explains each code; a test keeps the two equal.
 * Aborts are not in it: they reject with the signal's own reason.
 */

/**
 * Every code without its `ERR_WUERSTCHEN_`: whether the same call may work later, and the class it comes as. What each means
 * is in docs/errors.md.
 */
export const ERRORS = {
  INVALID_ARGUMENT: { retryable: false, as: 'InvalidArgumentError' },
  PROMPT_SYNTAX: { retryable: false, as: 'PromptSyntaxError' },
  MODEL_NOT_FOUND: { retryable: false, as: 'ModelError' },
  MODEL_INVALID: { retryable: false, as: 'ModelError' },
  WEIGHTS_INVALID: { retryable: false, as: 'ModelError' },
  WEIGHTS_MISMATCH: { retryable: false, as: 'ModelError' },
  GRAPH_NOT_FOUND: { retryable: false, as: 'ModelError' },
  GRAPH_INVALID: { retryable: false, as: 'ModelError' },
  EXPORT_FAILED: { retryable: false, as: 'ModelError' },
  HUB_ACCESS_DENIED: { retryable: false, as: 'HubError' },
  HUB_UNREACHABLE: { retryable: true, as: 'HubError' },
  HUB_OFFLINE: { retryable: false, as: 'HubError' },
  DOWNLOAD_FAILED: { retryable: true, as: 'DownloadError' },
  DOWNLOAD_CORRUPT: { retryable: true, as: 'DownloadError' },
  DISK_FULL: { retryable: true, as: 'DownloadError' },
  CACHE_UNUSABLE: { retryable: false, as: 'HubError' },
  LIBTORCH_NOT_FOUND: { retryable: false, as: 'LibtorchError' },
  LIBTORCH_VERSION: { retryable: false, as: 'LibtorchError' },
  LIBTORCH_CONFLICT: { retryable: false, as: 'LibtorchError' },
  RUNTIME_UNAVAILABLE: { retryable: false, as: 'LibtorchError' },
  RUNTIME_INVALID: { retryable: false, as: 'LibtorchError' },
  UNSUPPORTED_PLATFORM: { retryable: false, as: 'LibtorchError' },
  ADDON_NOT_FOUND: { retryable: false, as: 'LibtorchError' },
  ADDON_LOAD: { retryable: false, as: 'LibtorchError' },
  DEVICE_UNAVAILABLE: { retryable: false, as: 'DeviceError' },
  OUT_OF_MEMORY: { retryable: true, as: 'OutOfMemoryError' },
  MEMORY_LIMIT: { retryable: false, as: 'MemoryLimitError' },
  DISPOSED: { retryable: false, as: 'DisposedError' },
  GENERATION_FAILED: { retryable: false, as: 'GenerationError' },
  FILE_NOT_WRITTEN: { retryable: false, as: 'WuerstchenError' },
  FILE_NOT_READ: { retryable: false, as: 'WuerstchenError' },
  SHARP_FAILED: { retryable: false, as: 'WuerstchenError' },
  QUEUE_FULL: { retryable: true, as: 'QueueFullError' },
  TIMEOUT: { retryable: true, as: 'TimeoutError' },
  LISTEN_FAILED: { retryable: true, as: 'WuerstchenError' },
  BROKER_UNREACHABLE: { retryable: true, as: 'BrokerError' },
  STORE_FAILED: { retryable: true, as: 'StoreError' },
  INTERNAL: { retryable: false, as: 'WuerstchenError' },
} as const

export type ErrorKind = keyof typeof ERRORS
export type ErrorCode = `ERR_WUERSTCHEN_${ErrorKind}`

/** The kinds that come as one class. */
type KindOf<Class extends string> = {
  [Kind in ErrorKind]: (typeof ERRORS)[Kind]['as'] extends Class ? Kind : never
}[ErrorKind]

export interface WuerstchenErrorOptions {
  /** The error underneath, where there is one. */
  readonly cause?: unknown
  /** Facts for programs: plain data, safe to log. */
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * What rejections and throws of this package are. Compare `code`; the message is for people. Not among them are an abort, which is
 * the signal's reason, and what your own callbacks throw.
 */
export class WuerstchenError extends Error {
  /** Stable across versions. */
  readonly code: ErrorCode
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(kind: ErrorKind, message: string, { cause, details }: WuerstchenErrorOptions = {}) {
    super(readable(message), cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.code = `ERR_WUERSTCHEN_${kind}`
    this.retryable = ERRORS[kind].retryable
    this.details = details
  }
}

/** A value from the caller is not what the message says it should be. Nothing was queued. */
export class InvalidArgumentError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('INVALID_ARGUMENT', message, options)
  }
}

/** A prompt is not written as its syntax wants it, or asks for what cannot be done. `details.column` says where, from 1. */
export class PromptSyntaxError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('PROMPT_SYNTAX', message, options)
  }
}

/** A model's folder, config, weights or graph cannot be used. */
export class ModelError extends WuerstchenError {
  constructor(kind: KindOf<'ModelError'>, message: string, options?: WuerstchenErrorOptions) {
    super(kind, message, options)
  }
}

/** A model could not be fetched from the hub. */
export class HubError extends WuerstchenError {
  constructor(kind: KindOf<'HubError'>, message: string, options?: WuerstchenErrorOptions) {
    super(kind, message, options)
  }
}

/** A file, of a model or of libtorch, could not be downloaded or kept. */
export class DownloadError extends WuerstchenError {
  constructor(kind: KindOf<'DownloadError'>, message: string, options?: WuerstchenErrorOptions) {
    super(kind, message, options)
  }
}

/** The native half cannot run here: libtorch, the addon or the platform. `wuerstchen doctor` explains more. */
export class LibtorchError extends WuerstchenError {
  constructor(kind: KindOf<'LibtorchError'>, message: string, options?: WuerstchenErrorOptions) {
    super(kind, message, options)
  }
}

/** This machine, or this libtorch, does not have the device that was asked for. */
export class DeviceError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('DEVICE_UNAVAILABLE', message, options)
  }
}

/** The device had no room. Smaller or fewer images, a narrower dtype or offloading may fit. */
export class OutOfMemoryError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('OUT_OF_MEMORY', message, options)
  }
}

/** The request would need more memory than the pipeline was told to use. Nothing was queued. */
export class MemoryLimitError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('MEMORY_LIMIT', message, options)
  }
}

/** The pipeline was disposed before or during the call. */
export class DisposedError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('DISPOSED', message, options)
  }
}

/** The model returned something that is no image, such as NaN. */
export class GenerationError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('GENERATION_FAILED', message, options)
  }
}

/** More work waits than the pipeline was told to hold. */
export class QueueFullError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('QUEUE_FULL', message, options)
  }
}

/** A time limit of ours ran out. (A caller's `AbortSignal.timeout()` rejects with its own reason instead.) */
export class TimeoutError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('TIMEOUT', message, options)
  }
}

/** The Redis or Valkey of a queue does not answer. */
export class BrokerError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('BROKER_UNREACHABLE', message, options)
  }
}

/** The store of a queue's pictures does not do what it should. */
export class StoreError extends WuerstchenError {
  constructor(message: string, options?: WuerstchenErrorOptions) {
    super('STORE_FAILED', message, options)
  }
}

/** A promise of our own was broken. */
export function bug(message: string, options?: WuerstchenErrorOptions): WuerstchenError {
  return new WuerstchenError('INTERNAL', `${message} This is a bug.`, options)
}

/** `Expected width to be an integer from 64 to 4096 but received 'x'` */
export function expected(name: string, what: string, received: unknown): InvalidArgumentError {
  return new InvalidArgumentError(`Expected ${name} to be ${what} but received ${show(received)}`, {
    details: { name },
  })
}

const LONGEST_MESSAGE = 4000

/** A message fits on a screen, whatever a file or a server put into it. */
function readable(message: string): string {
  const start = message.length > LONGEST_MESSAGE ? `${startOf(message, LONGEST_MESSAGE - 1)}…` : message
  // A terminal would obey them.
  return start.replace(
    /[^\P{Cc}\n\t]/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** At most so many UTF-16 units, and no half of a character at the end. */
export function startOf(text: string, longest: number): string {
  return text.slice(0, longest).replace(/[\ud800-\udbff]$/, '')
}

const LONGEST_SHOWN = 60

/** A value in a message: short, on one line, and without running the value's own code. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'bigint':
      return shorten(`${value}n`)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'symbol':
      return 'a symbol'
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : showObject(value)
    default:
      return String(value)
  }
}

function showObject(value: object): string {
  if (ArrayBuffer.isView(value)) return `a typed array of ${value.byteLength} bytes`
  if (!isArray(value)) return 'an object'
  const first = value
    .slice(0, 4)
    .map((item) => (typeof item === 'object' && item !== null ? '…' : show(item)))
  return `[${first.join(', ')}${value.length > 4 ? `, … ${value.length} in all` : ''}]`
}

// A revoked proxy throws even when asked whether it is an array.
function isArray(value: object): value is unknown[] {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

function quote(text: string): string {
  const points = Array.from(text.slice(0, 2 * LONGEST_SHOWN)).slice(0, LONGEST_SHOWN)
  const start = wholeCharacters(text, points.join('').length)
  const body = JSON.stringify(start).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return start.length < text.length ? `'${body}…' (${text.length} characters)` : `'${body}'`
}

/** The first characters, as readers see them, within so many units; of one that is longer a part. */
function wholeCharacters(text: string, longest: number): string {
  if (text.length <= longest) return text
  const { index } = new Intl.Segmenter().segment(text.slice(0, 2 * longest)).containing(longest) ?? {}
  return text.slice(0, index || longest)
}

function shorten(text: string): string {
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text
}
