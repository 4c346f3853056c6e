import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { obstacleTo } from '../../files/links'
import { isLoopback } from '../loopback'
import { brokerMistake } from './broker-address'
import type { Role } from './roles'
import type { ServerConfig } from './schema'

/** What no single setting shows. Where one is wrong in itself, that is said already. */
export function contradictions(settings: object, role: Role): string[] {
  const { host, keys, loras } = settings as ServerConfig
  if (typeof host !== 'string' || ![keys, loras].every(Array.isArray)) return []
  return [ofKeys, ofPlaceholders, ofQueue].flatMap((find) => find(settings as ServerConfig, role))
}

function ofKeys({ host, keys, workerPort }: ServerConfig, role: Role): string[] {
  const found: string[] = []
  const listens = role === 'server' || workerPort !== undefined
  if (listens && keys.length === 0 && !isLoopback(host)) {
    found.push(
      `Expected keys with host '${host}' but there are none: without keys a ${role} listens on a loopback address only. 'npx wuerstchen key' makes one.`,
    )
  }
  const names = keys.map((key) => key?.name).filter((name) => typeof name === 'string')
  for (const name of new Set(names.filter((name, index) => names.indexOf(name) !== index)))
    found.push(`Expected each key to have its own name but '${name}' is there twice`)
  return found
}

function ofPlaceholders({ keys, urlSecret, store }: ServerConfig): string[] {
  const found: string[] = []
  for (const { name, sha256 } of keys)
    if (/^0+$/.test(sha256 ?? ''))
      found.push(
        `Expected sha256 of the key '${name}' to be what 'npx wuerstchen key' prints but it is a placeholder`,
      )
  if (/replace-me/.test(urlSecret ?? ''))
    found.push('Expected urlSecret to be random, as of openssl rand -hex 32, but it is a placeholder')
  if (/^s3:\/\/(\/|$)/.test(store ?? ''))
    found.push(`Expected store to name a bucket but received '${store}'`)
  return found
}

function ofQueue({ queue }: ServerConfig, role: Role): string[] {
  // What is no text is said already.
  const mistake = typeof queue === 'string' && queue !== '' ? brokerMistake(queue) : null
  if (mistake !== null) return [mistake]
  if (role === 'server' || queue !== undefined) return []
  return ['Expected queue (--queue) to be an address such as redis://host:6379 but it is missing']
}

/** Whether pictures can be put where the settings say: of a bucket only its answers tell. */
export function storeMistakes(settings: object): string[] {
  const { queue, store } = settings as Partial<ServerConfig>
  if (queue === undefined || typeof store !== 'string' || /^s3:/.test(store)) return []
  const folder = resolve(store)
  const reason = obstacleTo(folder) ?? unwritable(folder)
  return reason === null
    ? []
    : [`Expected store to be a folder that can be written but received '${store}': ${reason}`]
}

/** A folder that is missing is made: then it is the one above it that counts. */
function unwritable(folder: string): string | null {
  try {
    if (!statSync(folder).isDirectory()) return `${folder} is no folder`
    accessSync(folder, constants.W_OK | constants.X_OK)
    return null
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' && dirname(folder) !== folder ? unwritable(dirname(folder)) : message
  }
}
