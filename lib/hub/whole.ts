/** Whether a snapshot in the cache has all that a pipeline reads: what cannot be asked of the hub is asked of its files. */

import { join } from 'node:path'
import { entriesOf } from '../files/entries'
import { readRegularSync } from '../files/open'
import { isThere } from '../files/probe'
import { isNetwork, isScheduler, isTokenizer } from './parts'

const INDEX = 'model_index.json'

/** Paths that are missing below a snapshot's folder; a link to nothing is as good as none. Null: there is no snapshot. */
export function missingFiles(folder: string): readonly string[] | null {
  const index = readIfAny(join(folder, INDEX))
  if (index === null) {
    const names = entriesOf(folder)
    if (names.length === 0) return null
    return names.includes('config.json') && !names.includes(INDEX) ? missingOfNetwork(folder, '') : [INDEX]
  }
  return Object.entries(index).flatMap(([name, entry]) => {
    if (!Array.isArray(entry) || typeof entry[1] !== 'string') return []
    if (isNetwork(name)) return missingOfNetwork(folder, name)
    if (isScheduler(name)) return missingOf(folder, `${name}/scheduler_config.json`)
    return isTokenizer(name) ? missingOfTokenizer(folder, name) : []
  })
}

/** A decoder's card names its prior; a repository may lack one, so that only the hub knows whether it is missing. */
export function lacksCard(folder: string): boolean {
  const index = readIfAny(join(folder, INDEX)) ?? {}
  return 'decoder' in index && !('prior_prior' in index) && !isThere(join(folder, 'README.md'))
}

function missingOfNetwork(folder: string, network: string): readonly string[] {
  const names = entriesOf(join(folder, network))
  const path = (name: string) => (network === '' ? name : `${network}/${name}`)
  const config = missingOf(folder, path('config.json'))
  const weights = names.filter((name) => name.endsWith('.safetensors') && !/-of-\d{5}\./.test(name))
  const broken = weights.filter((name) => !isThere(join(folder, network, name)))
  if (weights.length > broken.length) return config
  const shards = names.filter((name) => name.endsWith('.safetensors.index.json'))
  const listed = shards.flatMap((name) => shardsOf(join(folder, network, name)))
  if (listed.length > 0 && broken.length === 0)
    return [...config, ...listed.flatMap((name) => missingOf(folder, path(name)))]
  return [...config, ...(broken.length > 0 ? broken : ['*.safetensors']).map(path)]
}

function missingOfTokenizer(folder: string, tokenizer: string): readonly string[] {
  const names = entriesOf(join(folder, tokenizer))
  const broken = names.filter((name) => !isThere(join(folder, tokenizer, name)))
  if (broken.length > 0) return broken.map((name) => `${tokenizer}/${name}`)
  const whole = names.includes('tokenizer.json') || names.includes('vocab.json')
  return whole ? [] : [`${tokenizer}/tokenizer.json`]
}

function missingOf(folder: string, path: string): readonly string[] {
  return isThere(join(folder, path)) ? [] : [path]
}

function shardsOf(index: string): readonly string[] {
  const { weight_map: map } = readIfAny(index) ?? {}
  const names = new Set(typeof map === 'object' && map !== null ? Object.values(map) : [])
  return [...names].filter((name): name is string => typeof name === 'string')
}

function readIfAny(file: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(readRegularSync(file))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
