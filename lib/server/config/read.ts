import { readFileSync } from 'node:fs'
import Ajv, { type ErrorObject } from 'ajv'
import { InvalidArgumentError } from '../../index'
import { contradictions, storeMistakes } from './contradictions'
import { mistakeOf, nearest } from './mistakes'
import { type Role, SETTINGS, settingsRead } from './roles'
import { ServerConfig } from './schema'

export const ENVIRONMENT_PREFIX = 'WUERSTCHEN_SERVE_'

/** Where settings come from; a later one of these wins over an earlier one. */
export interface ConfigSources {
  /** Path of a JSON file. */
  readonly file?: string | undefined
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /** By the setting's name; text is read as the setting's type. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined
  /** What was wrong with the flags before they were settings. */
  readonly mistakes?: readonly string[]
  /** Defaults to `server`. */
  readonly role?: Role
}

interface Property {
  readonly type?: string
  readonly items?: { readonly type?: string }
}
const PROPERTIES = ServerConfig.properties as unknown as Readonly<Record<string, Property>>

/**
 * The settings of a server, checked, with defaults filled in.
 * @throws InvalidArgumentError whose message lists every mistake, one a line; `details.mistakes` has them as a list.
 */
export function readConfig({
  file,
  environment = {},
  flags = {},
  role = 'server',
  mistakes: given = [],
}: ConfigSources = {}): ServerConfig {
  const mistakes = [...given]
  const settings = {
    ...(file === undefined ? {} : fromFile(file, mistakes)),
    ...fromEnvironment(environment, mistakes),
    ...fromFlags(flags, mistakes),
  }
  return checked(settings, role, [...mistakes, ...storeMistakes(settings)])
}

/** The same for settings that a program passes. */
export function checkConfig(
  settings: Readonly<Record<string, unknown>>,
  role: Role = 'server',
): ServerConfig {
  return checked(structuredClone(settings), role, [])
}

function checked(settings: object, role: Role, mistakes: string[]): ServerConfig {
  const ajv = new Ajv({
    allErrors: true,
    useDefaults: true,
    verbose: true,
    strict: false,
    code: { optimize: false },
  })
  const validate = ajv.compile<ServerConfig>(ServerConfig)
  validate(settings)
  for (const error of validate.errors ?? []) mistakes.push(lineOf(error))
  mistakes.push(...contradictions(settings, role))
  if (mistakes.length === 0) return settings as ServerConfig
  throw new InvalidArgumentError(
    `Expected a valid configuration but found ${mistakes.length} mistake${mistakes.length === 1 ? '' : 's'}:\n${mistakes.map((one) => `  ${one}`).join('\n')}`,
    { details: { mistakes } },
  )
}

function lineOf(error: ErrorObject): string {
  return mistakeOf(error, 'the configuration').message
}

function fromFile(file: string, mistakes: string[]): object {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
    mistakes.push(`Expected ${file} to hold an object`)
  } catch (error) {
    mistakes.push(`Expected ${file} to be a JSON file: ${(error as Error).message}`)
  }
  return {}
}

function fromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  mistakes: string[],
): Record<string, unknown> {
  const settings: Record<string, unknown> = {}
  const known = SETTINGS.map(variableOf)
  for (const [variable, value] of Object.entries(environment)) {
    // Compose files and unit files set what is left out to nothing.
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || value === undefined || value === '') continue
    const name = SETTINGS[known.indexOf(variable)]
    if (name !== undefined) settings[name] = parse(name, value)
    else mistakes.push(unknown(`variable ${variable}`, nearest(variable, known)))
  }
  return settings
}

function fromFlags(flags: Readonly<Record<string, unknown>>, mistakes: string[]): Record<string, unknown> {
  const settings: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue
    if (name in PROPERTIES) settings[name] = typeof value === 'string' ? parse(name, value) : value
    else mistakes.push(unknownFlag(flagOf(name), 'server'))
  }
  return settings
}

/** Why a flag, as it was written, is none of a role's. */
export function unknownFlag(flag: string, role: Role): string {
  if (SETTINGS.map(flagOf).includes(flag)) return `Expected no flag ${flag}: a ${role} does not read it`
  return unknown(`flag ${flag}`, nearest(flag, settingsRead(role).map(flagOf)))
}

function unknown(what: string, near: string | null): string {
  return `Unknown ${what}.${near === null ? '' : ` Did you mean ${near}?`}`
}

/** `maxQueue` -> `WUERSTCHEN_SERVE_MAX_QUEUE` */
export function variableOf(name: string): string {
  return ENVIRONMENT_PREFIX + name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}

/** `maxQueue` -> `--max-queue` */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** Text as the setting's type; what is none of that type stays text, for the check to refuse. */
function parse(name: string, text: string): unknown {
  const { type, items } = PROPERTIES[name] ?? {}
  if (type === 'integer') return /^-?\d+$/.test(text.trim()) ? Number(text) : text
  if (type === 'boolean') return { true: true, 1: true, false: false, 0: false }[text] ?? text
  if (type !== 'array') return text
  if (items?.type === 'string' && !text.trim().startsWith('['))
    return text.split(',').map((one) => one.trim())
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
