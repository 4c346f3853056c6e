/** The two cache folders: ours, and the one that Python's huggingface_hub uses too. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { InvalidArgumentError } from '../errors'
import { obstacleTo } from './links'

type Environment = Readonly<Record<string, string | undefined>>

/** What messages say where nothing names a cache folder. */
export const NO_HOME = 'this user has no home folder'

/** Weights that were converted: `WUERSTCHEN_CACHE`, or `wuerstchen` in the user's cache folder; null without a home folder. */
export function ownCache(env: Environment = process.env): string | null {
  return env.WUERSTCHEN_CACHE || below(userCache(env), 'wuerstchen')
}

/** A container's user may have no entry in the system's list, and no HOME. */
export function homeFolder(): string | null {
  try {
    return homedir() || null
  } catch {
    return null
  }
}

/** What names that folder, for messages. */
export function cacheSetting(env: Environment = process.env): string {
  const named = ['WUERSTCHEN_CACHE', 'XDG_CACHE_HOME'].find((name) => env[name])
  return named ?? 'in the home folder; WUERSTCHEN_CACHE names another'
}

/** What a folder is for, the option or variable that names it, and how messages say who named it. */
interface Naming {
  readonly what: string
  readonly name: string
  readonly setting: string
}

/** @throws InvalidArgumentError where there cannot be such a folder: it is a file, or behind one or a link that leads nowhere. */
export function refuseObstacle(folder: string, naming: Naming, reason = obstacleTo(folder)): void {
  if (reason === null) return
  const { what, name, setting } = naming
  throw new InvalidArgumentError(`Expected the folder of ${what} (${setting}) to be a folder but ${reason}`, {
    details: { name, folder, setting },
  })
}

/** What huggingface_hub calls its home: `HF_HOME`, or `huggingface` in the user's cache folder; null without a home folder. */
export function hubHome(env: Environment = process.env): string | null {
  return env.HF_HOME || below(userCache(env), 'huggingface')
}

/** Models that were downloaded; null without a home folder. */
export function hubCache(env: Environment = process.env): string | null {
  return env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || below(hubHome(env), 'hub')
}

/** What names that folder, for messages. */
export function hubCacheSetting(env: Environment = process.env): string {
  const named = ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HOME', 'XDG_CACHE_HOME'].find(
    (name) => env[name],
  )
  return named ?? 'in the home folder; option cacheDir or HF_HUB_CACHE names another'
}

function userCache(env: Environment): string | null {
  return env.XDG_CACHE_HOME || below(homeFolder(), '.cache')
}

/** A path in a folder, if there is a folder. */
export function below(folder: string | null, name: string): string | null {
  return folder === null ? null : join(folder, name)
}
