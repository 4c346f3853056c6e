/** Requests that survive what networks do: redirects, refusals for a while, silence. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { type Answer, isContent, refusal, saidBy } from './answer'
import { shorten, shownUrl } from './messages'
import { badProxy, networkFailure, Passing, unreachable } from './network-error'

/** Loaded with the first download: it takes more time than all the rest of this package. */
const undici = () => require('undici') as typeof import('undici')

/** How often in a row something may fail without a byte of progress. */
const MOST_TRIES = 5
const FIRST_PAUSE_MS = 400
const LONGEST_PAUSE_MS = 10_000
const MOST_REDIRECTS = 6

export type Headers = Readonly<Record<string, string>>

/** One conversation: its connections, its end. */
export class HttpClient {
  private readonly dispatcher: Dispatcher

  /**
   * @param silenceMs How long a server may stay silent.
   * @param firstPauseMs Between the first two tries, about; each pause is twice as long as the one before.
   */
  constructor(
    silenceMs: number,
    private readonly signal: AbortSignal,
    private readonly firstPauseMs = FIRST_PAUSE_MS,
  ) {
    const timeouts = { headersTimeout: silenceMs, bodyTimeout: silenceMs, connectTimeout: silenceMs }
    try {
      // Honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
      this.dispatcher = new (undici().EnvHttpProxyAgent)(timeouts)
    } catch (cause) {
      throw badProxy(cause)
    }
  }

  close(): Promise<void> {
    return this.dispatcher.destroy()
  }

  /** The content behind an address; a server without it is an error. `secrets` are for its origin alone. */
  async open(url: URL, headers: Headers = {}, secrets: Headers = {}): Promise<Answer> {
    const [answer, at] = await this.follow(url, headers, secrets)
    if (isContent(answer.status)) return answer
    throw refusal(answer, await saidBy(answer, at), 'a file')
  }

  /** Bytes that an address has. */
  sizeOf(url: URL, secrets: Headers = {}): Promise<number> {
    return this.persist(async () => {
      const { status, headers, discard } = await this.open(url, { range: 'bytes=0-0' }, secrets)
      await discard()
      const [, total] = /\/(\d+)$/.exec(String(headers['content-range'])) ?? []
      const size = status === 206 ? Number(total) : Number(headers['content-length'])
      if (Number.isSafeInteger(size)) return size
      throw unreachable(`Expected ${shownUrl(url)} to say its size but it does not`)
    })
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
        const backoff = Math.min(LONGEST_PAUSE_MS, this.firstPauseMs * 2 ** (tries - 1))
        // Jitter: many processes that were cut off together must not come back together.
        await sleep(afterMs ?? backoff * (0.5 + Math.random()), undefined, { signal: this.signal })
      }
    }
  }

  /**
   * What a server answers, whatever that is, and the address that answered. Redirects are followed by hand: `secrets` are
   * headers for the origin of `start` alone.
   */
  async follow(start: URL, headers: Headers, secrets: Headers = {}): Promise<readonly [Answer, URL]> {
    let url = start
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      const own = url.origin === start.origin
      const answer = await this.send(url, own ? { ...headers, ...secrets } : headers)
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

  private async send(url: URL, headers: Headers): Promise<Answer> {
    const options = {
      dispatcher: this.dispatcher,
      signal: this.signal,
      headers: {
        'user-agent': 'wuerstchen',
        // A compressed body's length would not be the file's.
        'accept-encoding': 'identity',
        ...headers,
      },
    }
    const { statusCode, headers: received, body } = await this.told(url, () => undici().request(url, options))
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
