import { Command } from 'commander'
import { flagOf, type Role, readConfig, ServerConfig, settingsRead, unknownFlag } from '../server'
import { withoutSecrets } from '../server/config/broker-address'

interface Flags {
  /** What the flags say, text or `true`, by the name of the setting. */
  readonly settings: Readonly<Record<string, unknown>>
  readonly file: string | undefined
  readonly checkConfig: boolean
  readonly mistakes: readonly string[]
}

/** Where the configuration file is, when no flag says so. */
const FILE_VARIABLE = 'WUERSTCHEN_SERVE_CONFIG'

/** The settings of a server or a worker, from file, environment and flags; null where they were only to be shown. */
export function settingsOf(
  command: { readonly name: string; readonly description: string; readonly role: Role },
  args: readonly string[],
): ServerConfig | null {
  const { role } = command
  const flags = parseFlags(command, args)
  if (flags === null) return null
  const { [FILE_VARIABLE]: variable, ...environment } = process.env
  const { file = variable || undefined, settings, mistakes } = flags
  const config = readConfig({ file, environment, flags: settings, role, mistakes })
  if (!flags.checkConfig) return config
  show(config, role)
  return null
}

/** One flag for each setting that the command reads; null after `--help`. */
function parseFlags(
  { name, description, role }: Parameters<typeof settingsOf>[0],
  args: readonly string[],
): Flags | null {
  // Values are optional for the parser: what lacks one is a mistake beside others, and does not take the next flag for it.
  const command = new Command(`wuerstchen ${name}`)
    .description(description)
    .option('--config [file]', `JSON file of these settings (default: ${FILE_VARIABLE})`)
    .option('--check-config', 'print the settings and exit; with status 2 and every mistake if there are any')
    .configureHelp({ optionTerm: ({ flags }) => flags.replace(/\[(?!true)(.*)\]/, '<$1>') })
  for (const setting of settingsRead(role)) command.option(...optionOf(setting))
  const { operands, unknown } = command.parseOptions([...args])
  if (unknown.includes('--help') || unknown.includes('-h')) {
    command.outputHelp()
    return null
  }
  const { config: file, checkConfig = false, ...settings } = command.opts()
  const mistakes = [
    ...operands.map(unexpected),
    ...unknown.flatMap((text, index) => {
      if (text.startsWith('-')) return unknownFlag(text.replace(/=.*$/s, ''), role)
      // What follows an unknown flag is its value.
      return /^-[^=]*$/s.test(unknown[index - 1] ?? '') ? [] : unexpected(text)
    }),
    ...withoutValue({ config: file, ...settings }).map((flag) => `Expected a value after ${flag}`),
  ]
  return { settings: withValue(settings), file: file === true ? undefined : file, checkConfig, mistakes }
}

function unexpected(text: string): string {
  return `Unexpected argument '${text}': settings are flags, see --help`
}

function optionOf(setting: string): [flags: string, description: string] {
  const schema = ServerConfig.properties[setting as keyof ServerConfig] as {
    readonly type?: string
    readonly description?: string
    readonly default?: unknown
  }
  const { type, description = '', default: standard } = schema
  const value = type === 'boolean' ? '[true|false]' : type === 'array' ? '[list]' : '[value]'
  const shown = standard === undefined || type === 'array' ? '' : ` (default: ${standard})`
  return [`${flagOf(setting)} ${value}`, `${description}${shown}`]
}

/** A flag alone is `true`, which only settings of that type understand. */
function isAlone([name, value]: readonly [string, unknown]): boolean {
  const { type } = (ServerConfig.properties[name as keyof ServerConfig] ?? {}) as { type?: string }
  return value === true && type !== 'boolean'
}

function withoutValue(flags: object): string[] {
  return Object.entries(flags)
    .filter(isAlone)
    .map(([name]) => flagOf(name))
}

function withValue(flags: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(flags).filter((entry) => !isAlone(entry)))
}

/** The settings of a role as they are in force; of keys the names, and no secrets. */
function show(config: ServerConfig, role: Role): void {
  const { keys, urlSecret, queue } = config
  const shown: Record<string, unknown> = {
    ...config,
    queue: queue && withoutSecrets(queue),
    keys: keys.map(({ name }) => name),
    urlSecret: urlSecret && '…',
  }
  const read = settingsRead(role).map((name) => [name, shown[name]])
  console.log(JSON.stringify(Object.fromEntries(read), null, 2))
}
