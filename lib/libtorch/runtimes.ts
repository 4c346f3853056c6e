/**
 * The folder of runtimes that `wuerstchen runtime install` fills: `libtorch` in this package's cache folder, a folder for
 * each. One appears whole or not at all; its note says what it is.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { below, ownCache } from '../files/caches'
import { FLAVOURS, type Flavour } from './flavours'

/** A libtorch that was installed. */
export interface Runtime {
  /** Its folder's name, such as `2.13.0-cu130-linux-x64`. */
  readonly name: string
  readonly flavour: Flavour
  /** As its own files say, such as `2.13.0+cu130`. */
  readonly version: string
  /** `process.platform-process.arch` */
  readonly target: string
  /** Absolute path. */
  readonly folder: string
  /** Bytes. */
  readonly size: number
}

export const TARGET = `${process.platform}-${process.arch}`
export const NOTE = 'runtime.json'
export const LOCK = '.lock'
export const DOWNLOADS = '.downloads'
/** Begins the name of what is being made, or removed. */
export const STAGING = '.staging-'

/** Null where nothing names one, and the user has no home folder. */
export function runtimesFolder(environment: NodeJS.ProcessEnv = process.env): string | null {
  return below(ownCache(environment), 'libtorch')
}

export function runtimeName(version: string, flavour: Flavour, target: string): string {
  return `${version.replace(/\+.*/, '')}-${flavour}-${target}`
}

/** Names of what may be runtimes: what is unpacked there by hand has no note. Ours that are not finished begin with a dot. */
export function namesIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.filter((entry) => !entry.name.startsWith('.') && !entry.isFile()).map(({ name }) => name)
  } catch {
    return []
  }
}

/** Those that were installed, also for other machines that share the folder. */
export function runtimesIn(folder: string): readonly Runtime[] {
  const runtimes = namesIn(folder).map((name) => readRuntime(join(folder, name), name))
  return runtimes.filter((runtime) => runtime !== null).sort((a, b) => (a.name < b.name ? -1 : 1))
}

export function readRuntime(folder: string, name: string): Runtime | null {
  try {
    const { flavour, version, target, size } = JSON.parse(readFileSync(join(folder, NOTE), 'utf8'))
    const fits = FLAVOURS.includes(flavour) && typeof version === 'string' && typeof target === 'string'
    return fits ? { name, flavour, version, target, folder, size: Number(size) || 0 } : null
  } catch {
    return null
  }
}

/** `2.13.0-cpu-linux-arm64` -> `linux-arm64`; null for a name that says nothing. */
export function targetOf(name: string): string | null {
  return /-((?:linux|darwin|win32)-[a-z0-9]+)$/.exec(name)?.[1] ?? null
}
