/** The door of `wuerstchen/server`. */
import { InvalidArgumentError } from '../index'
import { buildApp } from './app'
import type { Backend } from './backend'
import { checkConfig } from './config/read'
import type { ServerConfig } from './config/schema'
import type { ServerSettings } from './config/settings'
import type { Context } from './context'
import { Keys, Signer } from './keys'
import { loadPipeline } from './load'
import { LocalBackend } from './local'
import type { Logger } from './log'
import { Metrics } from './metrics'
import type { ServedPipeline } from './served-pipeline'
import { Server } from './server'

export type * from './backend'
export {
  type ConfigSources,
  ENVIRONMENT_PREFIX,
  flagOf,
  readConfig,
  unknownFlag,
  variableOf,
} from './config/read'
export { type Role, SETTINGS, settingsRead } from './config/roles'
export { KeyConfig, LoraConfig, ServerConfig } from './config/schema'
export type { ServerSettings } from './config/settings'
export { newKey } from './keys'
export { LocalBackend, type LocalOptions } from './local'
export type { Logger } from './log'
export type { ServedPipeline } from './served-pipeline'
export { Server } from './server'

/** What `createServer()` understands: the settings of the configuration, and what is no setting. */
export interface ServerOptions extends ServerSettings {
  /**
   * Makes the pictures: a pipeline, one that is loading, or a backend. Defaults to a pipeline that is loaded as the settings
   * `model`, `device`, … say. A pipeline that is passed is not disposed by `close()`.
   */
  readonly pipeline?: ServedPipeline | Promise<ServedPipeline>
  readonly backend?: Backend
  /** pino, or what looks like it. Defaults to JSON lines on standard output. */
  readonly logger?: Logger
}

/**
 * A server that is not listening yet: `listen()` begins that, `close()` ends it. The model loads meanwhile, and until then
 * `/readyz` is 503. `server.backend.ready()` waits for it, and rejects where it cannot be loaded; the log says so, too.
 *
 * ```ts
 * const server = await createServer({ port: 8080 })
 * console.log(await server.listen())
 * await server.backend.ready()
 * ```
 * @throws InvalidArgumentError naming every setting that is wrong.
 */
export async function createServer(options: ServerOptions = {}): Promise<Server> {
  const { pipeline, backend: given, logger, ...settings } = options
  const config = checkConfig(settings)
  if (config.queue !== undefined && given === undefined)
    throw new InvalidArgumentError("Expected no queue: createQueueServer() of 'wuerstchen/queue' has one.", {
      details: { name: 'queue' },
    })
  const backend = given ?? localBackend(config, pipeline)
  const context: Context = {
    config,
    backend,
    keys: new Keys(config.keys, config),
    signer: new Signer(config.urlSecret),
    metrics: new Metrics(backend),
  }
  const app = buildApp(context, logger)
  await app.ready()
  logFailure(backend, app.log)
  return new Server(app, context)
}

/** Programs need not await `ready()`: why a server will never be ready is in its log all the same. */
function logFailure(backend: Backend, log: Logger): void {
  backend.ready().catch((error: unknown) => {
    if (backend.state.name === 'failed') log.error({ err: error }, 'this server will never be ready')
  })
}

function localBackend(config: ServerConfig, pipeline: ServerOptions['pipeline']): LocalBackend {
  const options = { timeToLiveMs: config.resultTtlSeconds * 1000, maxKeptBytes: config.maxResultBytes }
  if (pipeline !== undefined) return new LocalBackend(pipeline, { ...options, ownsPipeline: false })
  return new LocalBackend(loadPipeline(config), options)
}
