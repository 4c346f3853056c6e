/** What can go wrong between here and a server, told apart by what helps: to wait, or to change a setting. */

import { shownUrl } from './messages'

/** A failure that may pass. `afterMs` is what the server asked to wait. */
export class Passing extends Error {
  constructor(
    message: string,
    readonly afterMs: number | null,
    cause?: unknown,
  ) {
    super(message, { cause })
  }
}

/** A failure that does not pass by itself. Whoever asked makes an error of ours of it. */
export class Unreachable extends Error {
  /** `code` is the network's own, such as `ECONNREFUSED`; `name` the variable that names no proxy. */
  readonly details: Readonly<Record<string, string | undefined>> | undefined

  constructor(message: string, cause?: unknown, details?: Unreachable['details']) {
    super(message, { cause })
    const code = codeOf(cause)
    this.details = details ?? (code ? { code } : undefined)
  }
}

const PASSING =
  /^(UND_ERR_(SOCKET|CONNECT_TIMEOUT|HEADERS_TIMEOUT|BODY_TIMEOUT|RES_CONTENT_LENGTH_MISMATCH|RESPONSE)|ECONN\w+|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|ENETUNREACH|EHOSTUNREACH|HPE_\w+)$/
const CERTIFICATE = /CERT|^UNABLE_TO_|^ERR_TLS|^CRL_|^(INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)$/
const HANDSHAKE = /^(EPROTO|ERR_SSL_\w+|UND_ERR_PRX_TLS)$/
const PROXIES = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'] as const

/** What the HTTP client said about a request or an answer. */
export function networkFailure(error: unknown, url: URL): Error {
  const code = codeOf(error)
  const message = `${shownUrl(url)}: ${messageOf(error)}`
  if (PASSING.test(code)) return new Passing(message, null, error)
  const refusedByProxy = /Proxy .*\((\d+)\)/.exec(messageOf(error))?.[1]
  if (refusedByProxy !== undefined && refusedByProxy !== '407') return new Passing(message, null, error)
  return unreachable(`${message}.${hintFor(code, refusedByProxy)}`, error)
}

function hintFor(code: string, refusedByProxy: string | undefined): string {
  if (refusedByProxy !== undefined)
    return ' The proxy wants a name and a password: HTTPS_PROXY or HTTP_PROXY may be http://name:password@host:port.'
  if (CERTIFICATE.test(code))
    return ' If you trust who signed its certificate (a company, a proxy), name a file with theirs in NODE_EXTRA_CA_CERTS.'
  return HANDSHAKE.test(code) ? ' Does that address speak https?' : ''
}

export function cut(message: string, cause?: unknown): Error {
  return new Passing(message, null, cause)
}

export function unreachable(message: string, cause?: unknown): Unreachable {
  return new Unreachable(message, cause)
}

/** The client refused to be made: of what it reads from the environment, one is no address. */
export function badProxy(cause: unknown, env: NodeJS.ProcessEnv = process.env): Unreachable {
  const name = PROXIES.find((one) => env[one] && !isProxy(env[one]))
  const received = name === undefined ? messageOf(cause) : `received ${shownProxy(env[name] ?? '')}`
  return new Unreachable(
    `Expected ${name ?? 'HTTP_PROXY and HTTPS_PROXY'} to be the address of a proxy, such as http://host:3128, but ${received}`,
    cause,
    { name },
  )
}

/** The proxies of the environment, without what is secret in them. */
export function shownProxies(env: NodeJS.ProcessEnv = process.env): string {
  const proxy = PROXIES.filter((name) => env[name]).map((name) => `${name} (${shownProxy(env[name] ?? '')})`)
  return proxy.length > 0 ? proxy.join(', ') : 'HTTPS_PROXY (not set)'
}

function isProxy(value: string): boolean {
  return URL.canParse(value) && /^(https?|socks5?):$/.test(new URL(value).protocol)
}

/** Without the name and the password that it may hold. */
function shownProxy(value: string): string {
  return `'${value.replace(/^([^/]*\/\/)?.*@/, '$1…@')}'`
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : ''
}

/** An attempt at several addresses of a host fails with as many errors and no message of its own. */
function messageOf(error: unknown): string {
  const { message, name, errors } = (error ?? {}) as Partial<AggregateError>
  const several = Array.isArray(errors) ? errors.map(messageOf).join(', ') : ''
  return message || several || name || String(error)
}
