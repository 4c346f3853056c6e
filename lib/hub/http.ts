/** Requests that survive what networks do: redirects, refusals for a while, silence. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici'
import { HubError, ModelError } from '../errors'
import { shorten, shownUrl } from './hub-error'
import type { HubSettings } from './settings'

/** How often in a row something may fail without a byte of progress, and the first pause between two tries. */
const MOST_TRIES = 5
const FIRST_PAUSE_MS = 400
const LONGEST_PAUSE_MS = 10_000
const LONGEST_ASKED_PAUSE_MS = 120_000 // of a server's Retry-After
const MOST_REDIRECTS = 6
const LONGEST_TEXT = 32 * 1024 * 1024

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Dispatcher.ResponseData['body']
}

/** A failure that may pass. `afterMs` is what the server asked to wait. */
class Passing extends Error {
  constructor(
    message: string,
    readonly afterMs: number | null,
    cause?: unknown,
  ) {
    super(message, { cause })
  }
}

/** One conversation with a hub: its settings, its connections, its end. */
export class HubClient {
  private readonly dispatcher: Dispatcher

  constructor(
    readonly settings: HubSettings,
    readonly signal: AbortSignal,
  ) {
    const { silenceMs } = settings
    // Honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
    this.dispatcher = new EnvHttpProxyAgent({
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
      connectTimeout: silenceMs,
    })
  }

  close(): Promise<void> {
    return this.dispatcher.destroy()
  }

  /** A JSON answer of the hub's API, with its headers. */
  json(path: string, repository: string): Promise<{ value: unknown; headers: Answer['headers'] }> {
    return this.persist(async () => {
      const { body, headers } = await this.get(new URL(`${this.settings.endpoint}${path}`), repository)
      const text = await readText(body).catch((error: unknown) => {
        throw this.passing(error)
      })
      try {
        return { value: JSON.parse(text), headers }
      } catch (cause) {
        throw new Passing(`Expected JSON of ${path} but received ${shorten(text)}`, null, cause)
      }
    })
  }

  /** A file of a repository from byte `start` to before `end`; the answer is 200 or 206. */
  file(
    repository: string,
    commit: string,
    path: string,
    range: readonly [number, number] | null,
  ): Promise<Answer> {
    const encoded = path.split('/').map(encodeURIComponent).join('/')
    const url = new URL(`${this.settings.endpoint}/${repository}/resolve/${commit}/${encoded}`)
    const headers = range === null ? {} : { range: `bytes=${range[0]}-${range[1] - 1}` }
    return this.get(url, repository, headers)
  }

  /** Does `attempt` until it works. `progress()` grows whenever something arrived, which starts the count anew. */
  async persist<T>(attempt: () => Promise<T>, progress: () => number = () => 0): Promise<T> {
    let tries = 0
    let reached = progress()
    for (;;) {
      try {
        return await attempt()
      } catch (error) {
        this.signal.throwIfAborted()
        const { message, afterMs, cause } = this.passing(error)
        if (progress() > reached) tries = 0
        reached = progress()
        tries += 1
        if (tries >= MOST_TRIES) throw unreachable(message, cause ?? error)
        const backoff = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1))
        // Jitter: many processes that were cut off together must not come back together.
        await sleep(afterMs ?? backoff * (0.5 + Math.random()), undefined, { signal: this.signal })
      }
    }
  }

  /** Errors of the network pass; ours and everything else do not. */
  passing(error: unknown): Passing {
    if (error instanceof Passing) return error
    const code = (error as { code?: unknown } | null)?.code
    if (typeof code === 'string' && PASSING_CODES.test(code))
      return new Passing(messageOf(error), null, error)
    throw error
  }

  /** Follows redirects by hand: the token may only ever be seen by the hub itself. */
  private async get(start: URL, repository: string, headers: Record<string, string> = {}): Promise<Answer> {
    let url = start
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      const answer = await this.send(url, headers)
      const location = answer.headers.location
      if (answer.status < 300 || answer.status >= 400 || typeof location !== 'string') {
        return this.accept(answer, url, repository)
      }
      await answer.body.dump()
      url = this.redirected(location, url)
    }
    throw unreachable(`Expected at most ${MOST_REDIRECTS} redirects of ${shownUrl(start)} but received more`)
  }

  private redirected(location: string, from: URL): URL {
    const to = URL.canParse(location, from.href) ? new URL(location, from) : null
    // Nobody on the way may take the encryption away.
    if (
      to === null ||
      !/^https?:$/.test(to.protocol) ||
      (from.protocol === 'https:' && to.protocol !== 'https:')
    ) {
      throw unreachable(
        `Expected ${shownUrl(from)} to redirect to an address but received ${shorten(location)}`,
      )
    }
    return to
  }

  private async send(url: URL, headers: Record<string, string>): Promise<Answer> {
    const { token, endpoint } = this.settings
    const own = url.origin === new URL(endpoint).origin
    const {
      statusCode,
      headers: received,
      body,
    } = await request(url, {
      dispatcher: this.dispatcher,
      signal: this.signal,
      headers: {
        'user-agent': 'wuerstchen',
        // A compressed body's length would not be the file's.
        'accept-encoding': 'identity',
        ...headers,
        ...(own && token !== null ? { authorization: `Bearer ${token}` } : {}),
      },
    })
    return { status: statusCode, headers: received, body }
  }

  private async accept(answer: Answer, url: URL, repository: string): Promise<Answer> {
    const { status, headers, body } = answer
    if (status === 200 || status === 206) return answer
    const told = shorten(await readText(body, 4096).catch(() => ''))
    const what = `${shownUrl(url)} answered ${status}${told && ` (${told})`}`
    const code = headers['x-error-code']
    if (status === 404 || code === 'RepoNotFound' || code === 'RevisionNotFound')
      throw this.notFound(repository, what)
    if (status === 401 || status === 403) throw this.denied(repository, what)
    if (status === 429 || status === 408 || status >= 500)
      throw new Passing(what, retryAfter(headers['retry-after']))
    throw unreachable(`Expected a file of ${repository} but ${what}`)
  }

  private notFound(repository: string, what: string): ModelError {
    const hint =
      this.settings.token === null ? ' If it is private, a token is needed (option token or HF_TOKEN).' : ''
    return new ModelError('MODEL_NOT_FOUND', `Expected ${repository} to be on the hub but ${what}.${hint}`, {
      details: { repository },
    })
  }

  private denied(repository: string, what: string): HubError {
    const hint =
      this.settings.token === null
        ? 'Pass a token (option token or HF_TOKEN) of an account that may read it.'
        : "The token that was sent does not open it: accept the model's conditions on its page, or use another."
    return new HubError('HUB_ACCESS_DENIED', `Expected ${repository} to be readable but ${what}. ${hint}`, {
      details: { repository },
    })
  }
}

const PASSING_CODES =
  /^(UND_ERR_(SOCKET|CONNECT_TIMEOUT|HEADERS_TIMEOUT|BODY_TIMEOUT|RES_CONTENT_LENGTH_MISMATCH|RESPONSE)|ECONN\w+|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|ENETUNREACH|EHOSTUNREACH|HPE_\w+)$/

export function cut(message: string, cause?: unknown): Error {
  return new Passing(message, null, cause)
}

export function unreachable(message: string, cause?: unknown): HubError {
  return new HubError('HUB_UNREACHABLE', message, { cause })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}

/** Seconds or a date, as RFC 9110 has it. */
function retryAfter(value: string | string[] | undefined): number | null {
  if (typeof value !== 'string') return null
  const ms = /^\d+$/.test(value.trim()) ? 1000 * Number(value) : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.min(LONGEST_ASKED_PAUSE_MS, Math.max(0, ms)) : null
}

async function readText(body: AsyncIterable<Buffer>, longest = LONGEST_TEXT): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > longest) break
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
