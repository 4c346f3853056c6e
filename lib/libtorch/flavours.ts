/** Kinds of libtorch, and which of them a machine can use. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { entriesOf } from '../files/entries'
import { statsIfAny } from '../files/probe'

/** For CPUs, or for NVIDIA GPUs with CUDA 12.6 or 13.0. */
export const FLAVOURS = ['cpu', 'cu126', 'cu130'] as const

export type Flavour = (typeof FLAVOURS)[number]

/** The kernel's half of CUDA, which no runtime brings along. */
export interface NvidiaDriver {
  /** Such as `580.65.06`; null where the system does not say. */
  readonly version: string | null
  /** Names of the GPUs that it has found. */
  readonly gpus: readonly string[]
}

/** The oldest driver that each CUDA runs with, as NVIDIA's compatibility tables have it. Newest CUDA first. */
const OLDEST_DRIVER: readonly (readonly [Flavour, number])[] = [
  ['cu130', 580],
  ['cu126', 525],
]

/** The driver of this machine, or null. Only files are read. */
export function nvidiaDriver(root = '/', platform: NodeJS.Platform = process.platform): NvidiaDriver | null {
  if (platform === 'win32') return exists(join(root, 'Windows/System32/nvcuda.dll')) ? UNKNOWN : null
  const folder = join(root, 'proc/driver/nvidia')
  const text = read(join(folder, 'version'))
  // Under WSL the driver is Windows' own.
  if (text === null) return exists(join(root, 'usr/lib/wsl/lib/libcuda.so.1')) ? UNKNOWN : null
  const version = /Kernel Module\b.*?\s(\d+\.\d+(?:\.\d+)?)\s/.exec(text)?.[1] ?? null
  const gpus = entriesOf(join(folder, 'gpus')).map(
    (name) => /^Model:\s*(.*\S)/m.exec(read(join(folder, 'gpus', name, 'information')) ?? '')?.[1],
  )
  return { version, gpus: gpus.filter((gpu) => gpu !== undefined) }
}

const UNKNOWN: NvidiaDriver = { version: null, gpus: [] }

/** The flavours that run on a GPU with this driver, the fittest first; none where it is too old. */
export function flavoursFor(driver: NvidiaDriver | null): readonly Flavour[] {
  if (driver === null) return []
  // An unknown driver may be old: what needs least comes first.
  if (driver.version === null) return ['cu126', 'cu130']
  const major = Number(driver.version.split('.')[0])
  return OLDEST_DRIVER.filter(([, oldest]) => major >= oldest).map(([flavour]) => flavour)
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function exists(path: string): boolean {
  return statsIfAny(path) !== null
}
