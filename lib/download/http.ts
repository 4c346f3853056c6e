/** Requests that survive what networks do: redirects, refusals for a while, silence. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici'
import type { HubSettings } from '../hub/settings'
import { type Answer, accepted, isContent, readText } from './answer'
import { shorten, shownUrl, warn } from './messages'
import { badProxy, networkFailure, Passing, unreachable } from './network-error'

/** How often in a row something may fail without a byte of progress, and the first pause between two tries. */
const MOST_TRIES = 5
const FIRST_PAUSE_MS = 400
const LONGEST_PAUSE_MS = 10_000
const MOST_REDIRECTS = 6

/** One conversation with a hub: its settings, its connections, its end. */
export class HubClient {
  private readonly dispatcher: Dispatcher
  private token: string | null

  constructor(
    readonly settings: HubSettings,
    readonly signal: AbortSignal,
  ) {
    const { silenceMs, token } = settings
    this.token = token
    const timeouts = { headersTimeout: silenceMs, bodyTimeout: silenceMs, connectTimeout: silenceMs }
    try {
      // Honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
      this.dispatcher = new EnvHttpProxyAgent(timeouts)
    } catch (cause) {
      throw badProxy(cause)
    }
  }

  close(): Promise<void> {
    return this.dispatcher.destroy()
  }

  /** A JSON answer of the hub's API, with its headers. */
  json(path: string, repository: string): Promise<{ value: unknown; headers: Answer['headers'] }> {
    return this.persist(async () => {
      const { body, headers } = await this.get(new URL(`${this.settings.endpoint}${path}`), repository)
      const text = await readText(body)
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
        // What a caller's callback or the disk throws is not tried again, whatever it looks like.
        if (!(error instanceof Passing)) throw error
        const { message, afterMs, cause } = error
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

  /** A token that the hub refuses is left out where everybody may read: it is often one that has expired. */
  private async get(url: URL, repository: string, headers: Record<string, string> = {}): Promise<Answer> {
    const asked = { repository, withToken: this.settings.token !== null }
    const [answer, at] = await this.follow(url, headers, this.token)
    if (![401, 403].includes(answer.status) || this.token === null) return accepted(answer, at, asked)
    const [open, openAt] = await this.follow(url, headers, null)
    if (!isContent(open.status)) {
      await open.discard()
      return accepted(answer, at, asked)
    }
    await answer.discard()
    this.token = null
    warn(
      `${this.settings.endpoint} refused the token (${answer.status}) but shows ${repository} to everybody: it is read ` +
        'without one. Renew the token or remove it: option token, HF_TOKEN, or the file of the login.',
    )
    return accepted(open, openAt, asked)
  }

  /** Follows redirects by hand: the token may only ever be seen by the hub itself. */
  private async follow(
    start: URL,
    headers: Record<string, string>,
    token: string | null,
  ): Promise<readonly [Answer, URL]> {
    let url = start
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      const answer = await this.send(url, headers, token)
      const location = answer.headers.location
      if (answer.status < 300 || answer.status >= 400 || typeof location !== 'string') return [answer, url]
      await answer.discard()
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

  private async send(url: URL, headers: Record<string, string>, token: string | null): Promise<Answer> {
    const own = url.origin === new URL(this.settings.endpoint).origin
    const options = {
      dispatcher: this.dispatcher,
      signal: this.signal,
      headers: {
        'user-agent': 'wuerstchen',
        // A compressed body's length would not be the file's.
        'accept-encoding': 'identity',
        ...headers,
        ...(own && token !== null ? { authorization: `Bearer ${token}` } : {}),
      },
    }
    const { statusCode, headers: received, body } = await this.told(url, () => request(url, options))
    return {
      status: statusCode,
      headers: received,
      body: this.chunksOf(body, url),
      discard: async () => {
        await body.dump().catch(() => undefined) // a connection less
      },
    }
  }

  /** Errors of the client become ours here, where it is known that they are the network's. */
  private async told<T>(url: URL, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.signal.throwIfAborted()
      throw networkFailure(error, url)
    }
  }

  private async *chunksOf(body: Dispatcher.ResponseData['body'], url: URL): AsyncGenerator<Buffer> {
    const chunks = body[Symbol.asyncIterator]()
    try {
      for (;;) {
        const { done, value } = await this.told(url, () => chunks.next())
        if (done) return
        yield value
      }
    } finally {
      body.destroy()
    }
  }
}
