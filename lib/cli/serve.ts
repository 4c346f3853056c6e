import { Command, CommanderError } from 'commander'
import { createServer, flagOf, readConfig, type Server, ServerConfig } from '../server'
import { ExitCode, UsageError } from './exit'

interface Flags extends Record<string, unknown> {
  readonly config?: string
  readonly checkConfig?: true
}

/** Where the configuration file is, when no flag says so. */
const FILE_VARIABLE = 'WUERSTCHEN_SERVE_CONFIG'

/** `wuerstchen serve` */
export async function serve(args: readonly string[]): Promise<void> {
  const flags = parseFlags(args)
  if (flags === null) return // --help
  const { config: file = process.env[FILE_VARIABLE] || undefined, checkConfig = false, ...settings } = flags
  const { [FILE_VARIABLE]: _, ...environment } = process.env
  const config = readConfig({ file, environment, flags: settings })
  if (checkConfig) return show(config)
  if (config.queue !== undefined) throw new UsageError('Expected no --queue: this version has no queue')
  const server = await createServer(config)
  closeOnSignals(server)
  try {
    await start(server)
  } catch (error) {
    // A port that is taken, a model that is none: nothing is left that would keep the process.
    await server.close({ drainMs: 0 })
    throw error
  }
}

async function start(server: Server): Promise<void> {
  const { config } = server
  await server.listen()
  if (config.keys.length === 0)
    server.app.log.warn('No API keys are configured: only programs of this machine are served')
  await server.backend.ready()
  server.app.log.info({ models: server.backend.info.models }, 'ready')
}

/** One flag for each setting; null after `--help`. */
function parseFlags(args: readonly string[]): Flags | null {
  const command = new Command('wuerstchen serve')
    .description('Serves pictures over HTTP: the OpenAI images API, jobs, and a page.')
    .option('--config <file>', `JSON file of these settings (default: ${FILE_VARIABLE})`)
    .option('--check-config', 'print the settings and exit; with status 2 and every mistake if there are any')
    .allowExcessArguments(false)
    .exitOverride()
  for (const [name, schema] of Object.entries(ServerConfig.properties)) {
    const { type, description = '', default: standard } = schema as { type?: string } & typeof schema
    const value = type === 'boolean' ? '[true|false]' : type === 'array' ? '<list>' : '<value>'
    const shown = standard === undefined || type === 'array' ? '' : ` (default: ${standard})`
    command.option(`${flagOf(name)} ${value}`, `${description}${shown}`)
  }
  try {
    command.parse([...args], { from: 'user' })
    return command.opts<Flags>()
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return null
    throw error
  }
}

/** The settings as they are in force; of keys the names. */
function show({ keys, urlSecret, ...config }: ServerConfig): void {
  const names = keys.map(({ name }) => name)
  console.log(JSON.stringify({ ...config, keys: names, urlSecret: urlSecret && '…' }, null, 2))
}

/** The first signal drains, a second one ends the process at once. */
function closeOnSignals(server: Server): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      server.app.log.info({ signal, drainSeconds: server.config.drainSeconds }, 'draining')
      server.close().then(
        () => server.app.log.info('stopped'),
        (error) => {
          server.app.log.error({ err: error }, 'could not stop')
          process.exitCode = ExitCode.failure
        },
      )
    })
  }
}
