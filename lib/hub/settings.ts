/** Where models come from and where they are kept: options first, then what the Python client reads too. */

import { expected, HubError } from '../errors'
import { absolute } from '../files/absolute'
import { below, hubCache, hubCacheSetting, hubHome, NO_HOME } from '../files/caches'
import { readRegularSync } from '../files/open'

export interface HubOptions {
  /** Access token of a gated or private model. Defaults to HF_TOKEN, then to what `hf auth login` stored. */
  readonly token?: string | undefined
  /** Folder of downloaded models, shared with Python. Defaults to HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub. */
  readonly cacheDir?: string | undefined
  /** Use what is in the cache and never ask the hub. Defaults to HF_HUB_OFFLINE. */
  readonly localFilesOnly?: boolean | undefined
}

export interface HubSettings {
  /** Without a slash at the end. */
  readonly endpoint: string
  readonly token: string | null
  readonly cacheDir: string
  /** What named that folder, for messages: an option, a variable, or the home folder. */
  readonly cacheSetting: string
  readonly offline: boolean
  /** How long a server may stay silent, in milliseconds. */
  readonly silenceMs: number
  /** Before a failed request is sent again; what tests shorten. Defaults to 400. */
  readonly firstPauseMs?: number | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_ENDPOINT = 'https://huggingface.co'
const DEFAULT_SILENCE_S = 30

export function hubSettings(options: HubOptions, env: Environment = process.env): HubSettings {
  const offline = options.localFilesOnly ?? (isOn(env.HF_HUB_OFFLINE) || isOn(env.TRANSFORMERS_OFFLINE))
  const cacheDir = options.cacheDir ?? hubCache(env)
  const folder = cacheDir === null ? null : absolute(cacheDir)
  return {
    endpoint: endpointOf(env.HF_ENDPOINT),
    token: options.token ?? tokenOf(env),
    // Who loads a local model needs none.
    get cacheDir() {
      return folder ?? refuseHomeless()
    },
    cacheSetting: options.cacheDir === undefined ? hubCacheSetting(env) : 'option cacheDir',
    offline,
    silenceMs: 1000 * (Number(env.HF_HUB_DOWNLOAD_TIMEOUT) || DEFAULT_SILENCE_S),
  }
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(1|on|yes|true)$/i.test(value)
}

function endpointOf(value: string | undefined): string {
  if (!value) return DEFAULT_ENDPOINT
  const url = URL.canParse(value) ? new URL(value) : null
  if (url === null || !/^https?:$/.test(url.protocol))
    throw expected('HF_ENDPOINT', 'an http(s) address', value)
  return value.replace(/\/+$/, '')
}

function refuseHomeless(): never {
  throw new HubError(
    'CACHE_UNUSABLE',
    `Expected a folder for downloaded models but ${NO_HOME}. Name one with the option cacheDir, or with HF_HUB_CACHE`,
  )
}

function tokenOf(env: Environment): string | null {
  if (isOn(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return null
  const named = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN
  return named?.trim() || readToken(env.HF_TOKEN_PATH || below(hubHome(env), 'token'))
}

function readToken(file: string | null): string | null {
  if (file === null) return null
  try {
    return readRegularSync(file).trim() || null
  } catch {
    return null // nobody logged in here
  }
}
