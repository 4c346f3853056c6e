import { Command, CommanderError } from 'commander'
import { flagOf, readConfig, ServerConfig } from '../server'

interface Flags extends Record<string, unknown> {
  readonly config?: string
  readonly checkConfig?: true
}

/** Where the configuration file is, when no flag says so. */
const FILE_VARIABLE = 'WUERSTCHEN_SERVE_CONFIG'

/** The settings of a server or a worker, from file, environment and flags; null where they were only to be shown. */
export function settingsOf(
  name: string,
  description: string,
  args: readonly string[],
  check: (config: ServerConfig) => void = () => undefined,
): ServerConfig | null {
  const flags = parseFlags(name, description, args)
  if (flags === null) return null
  const { config: file = process.env[FILE_VARIABLE] || undefined, checkConfig = false, ...settings } = flags
  const { [FILE_VARIABLE]: _, ...environment } = process.env
  const config = readConfig({ file, environment, flags: settings })
  check(config)
  if (!checkConfig) return config
  show(config)
  return null
}

/** One flag for each setting; null after `--help`. */
function parseFlags(name: string, description: string, args: readonly string[]): Flags | null {
  const command = new Command(`wuerstchen ${name}`)
    .description(description)
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

/** The settings as they are in force; of keys the names, and no secrets. */
function show({ keys, urlSecret, queue, ...config }: ServerConfig): void {
  const names = keys.map(({ name }) => name)
  const address = queue?.replace(/\/\/[^/]*@/, '//…@')
  console.log(
    JSON.stringify({ ...config, queue: address, keys: names, urlSecret: urlSecret && '…' }, null, 2),
  )
}
