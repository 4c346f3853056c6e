/** The two cache folders: ours, and the one that Python's huggingface_hub uses too. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { InvalidArgumentError } from '../errors'
import { obstacleTo } from './links'

type Environment = Readonly<Record<string, string | undefined>>

/** Weights that were converted: `WUERSTCHEN_CACHE`, or `wuerstchen` in the user's cache folder. */
export function ownCache(env: Environment = process.env): string {
  return env.WUERSTCHEN_CACHE || join(userCache(env), 'wuerstchen')
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

/** What huggingface_hub calls its home: `HF_HOME`, or `huggingface` in the user's cache folder. */
export function hubHome(env: Environment = process.env): string {
  return env.HF_HOME || join(userCache(env), 'huggingface')
}

function userCache(env: Environment): string {
  return env.XDG_CACHE_HOME || join(homedir(), '.cache')
}
