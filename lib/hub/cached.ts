/** Which models of ours the cache holds. Python's other models live there too; they are passed over. */

import { lstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { entriesIfAny } from '../files/entries'
import { readRegularSync } from '../files/open'
import { isThere } from '../files/probe'
import type { HubSettings } from './settings'
import { asOurs, refuseBrokenCache } from './snapshot-error'
import { missingFiles } from './whole'

/** One revision of a repository in the cache. */
export interface CachedModel {
  /** `organisation/name` */
  readonly id: string
  readonly commit: string
  /** Branches and tags that stood at this commit when they were last asked for. */
  readonly revisions: readonly string[]
  /** A pipeline's half, a prior's network alone, or both halves in one repository. */
  readonly kind: 'decoder' | 'prior' | 'bare prior' | 'combined'
  readonly folder: string
  /** Bytes, each file counted once. */
  readonly size: number
  /** Whether it has every file that a pipeline reads. */
  readonly complete: boolean
}

export function cachedModels(settings: HubSettings): readonly CachedModel[] {
  const { cacheDir } = settings
  refuseBrokenCache(settings)
  try {
    return entriesIfAny(cacheDir)
      .filter((name) => name.startsWith('models--') && lstatSync(join(cacheDir, name)).isDirectory())
      .flatMap((name) => modelsOf(name, join(cacheDir, name)))
  } catch (error) {
    throw asOurs(error, settings)
  }
}

function modelsOf(name: string, repository: string): CachedModel[] {
  const id = name.slice('models--'.length).replaceAll('--', '/')
  const references = referencesOf(join(repository, 'refs'))
  return foldersIn(join(repository, 'snapshots')).flatMap((commit) => {
    const folder = join(repository, 'snapshots', commit)
    const kind = kindOf(folder)
    if (kind === null) return []
    const revisions = references.filter(([, stood]) => stood === commit).map(([revision]) => revision)
    const complete = missingFiles(folder)?.length === 0
    return [{ id, commit, revisions, kind, folder, size: sizeOf(folder), complete }]
  })
}

const KINDS: Readonly<Record<string, CachedModel['kind']>> = {
  WuerstchenDecoderPipeline: 'decoder',
  WuerstchenPriorPipeline: 'prior',
  WuerstchenPrior: 'bare prior',
  WuerstchenCombinedPipeline: 'combined',
}

function kindOf(folder: string): CachedModel['kind'] | null {
  for (const name of ['model_index.json', 'config.json']) {
    const kind = KINDS[classIn(join(folder, name)) ?? '']
    if (kind !== undefined) return kind
  }
  return null
}

function classIn(file: string): string | null {
  try {
    const name: unknown = JSON.parse(readRegularSync(file))._class_name
    return typeof name === 'string' ? name : null
  } catch {
    return null
  }
}

/** [revision, commit] of every reference; names of branches may have slashes. */
function referencesOf(folder: string, prefix = ''): (readonly [string, string])[] {
  return namesIn(folder).flatMap((name): (readonly [string, string])[] => {
    const path = join(folder, name)
    if (lstatSync(path).isDirectory()) return referencesOf(path, `${prefix}${name}/`)
    const commit = textIfAny(path)
    return commit === null ? [] : [[`${prefix}${name}`, commit.trim()]]
  })
}

function textIfAny(path: string): string | null {
  try {
    return readRegularSync(path)
  } catch {
    return null // gone meanwhile, or no file
  }
}

function sizeOf(folder: string): number {
  return namesIn(folder).reduce((sum, name) => {
    const path = join(folder, name)
    if (lstatSync(path).isDirectory()) return sum + sizeOf(path)
    return sum + (isThere(path) ? statSync(path).size : 0)
  }, 0)
}

function foldersIn(folder: string): readonly string[] {
  return namesIn(folder).filter((name) => lstatSync(join(folder, name)).isDirectory())
}

function namesIn(folder: string): readonly string[] {
  return isThere(folder) ? readdirSync(folder).sort() : []
}
