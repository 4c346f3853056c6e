import type { FastifyInstance } from 'fastify'
import type { Backend } from './backend'
import type { ServerConfig } from './config/schema'
import type { Context } from './context'
import { listenOn } from './listen'

/** Answers that are still being written get so long after the last job ended. */
const LAST_WORDS_MS = 3000

/** One HTTP server and its backend. */
export class Server {
  private closing: Promise<void> | null = null

  /** @internal */
  constructor(
    /** The fastify instance: for `inject()` in tests. */
    readonly app: FastifyInstance,
    private readonly context: Context,
  ) {}

  get backend(): Backend {
    return this.context.backend
  }

  /** Every setting, with defaults filled in. */
  get config(): ServerConfig {
    return this.context.config
  }

  /**
   * Begins to listen; resolves with the address, such as http://127.0.0.1:8080.
   * @throws WuerstchenError (LISTEN_FAILED) where port or host cannot be had.
   */
  async listen(): Promise<string> {
    const { host, port } = this.config
    return listenOn(this.app, { host, port, setting: 'port' })
  }

  /**
   * Takes no more jobs, finishes the accepted ones for at most `drainMs`, ends what is left, and closes every connection.
   * Safe twice.
   * @param options `drainMs` defaults to the setting `drainSeconds`.
   */
  close({ drainMs = this.config.drainSeconds * 1000 }: { readonly drainMs?: number } = {}): Promise<void> {
    this.closing ??= this.end(drainMs)
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private async end(drainMs: number): Promise<void> {
    await this.backend.dispose({ drain: drainMs > 0, timeoutMs: drainMs })
    const last = setTimeout(() => this.app.server.closeAllConnections(), LAST_WORDS_MS)
    await this.app.close()
    clearTimeout(last)
  }
}
