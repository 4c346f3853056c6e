/**
 * Converted weights, kept: a checkpoint in float32 that runs in bfloat16, or a prior between two, is computed once, and from
 * then on mapped and shared like a checkpoint of that kind. Best effort: what cannot be kept is computed again.
 */

import { createHash } from 'node:crypto'
import { realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { below, cacheSetting, ownCache, refuseObstacle } from '../files/caches'
import { makeFolder } from '../files/folder'
import { freeBytesOn } from '../files/space'
import { sweepDrafts } from '../files/sweep'
import { placeAtomically } from '../files/write'
import type { GraphEntry } from '../model/manifest'
import { readHeader } from '../model/safetensors'
import { bindWeights } from '../model/weights'
import type { Dtype, NativeDevice, NativeGraph, StoredDtype, WeightBinding } from '../native/types'
import { bytesOf } from '../tensors/dtype'
import { volume } from '../tensors/shape'
import { isStoredFloat, STORED_AS } from '../tensors/stored'

export interface WeightsCache {
  readonly folder: string
  /** Networks whose converted weights are smaller are converted at every start: that takes less than a quarter second. */
  readonly leastBytes: number
}

const LEAST_BYTES = 256 * 1024 * 1024
/** Left free on a disk. */
export const SPARE_BYTES = 256 * 1024 * 1024
/** Whoever writes weights has written some of them since. */
export const ABANDONED_AFTER_MS = 3600 * 1000
const FORMAT = 1

/** `null` switches it off. Where weights come and go, `all` of them are kept: what has no file cannot go. */
export function weightsCacheOf(
  folder: string | false | undefined,
  { all = false, env = process.env }: { readonly all?: boolean; readonly env?: NodeJS.ProcessEnv } = {},
): WeightsCache | null {
  if (folder === false) return null
  const place = folder ?? below(ownCache(env), 'weights')
  if (place === null) return null
  // What cannot be kept is computed again, but behind a file, or a link that leads nowhere, that would be at every start.
  const setting = folder === undefined ? cacheSetting(env) : 'option weightsCache'
  refuseObstacle(place, { what: 'converted weights', name: 'weightsCache', setting })
  return { folder: place, leastBytes: all ? 1 : LEAST_BYTES }
}

/** Where the converted weights of one network are kept, or null where there is nothing to convert, or too little. */
export async function cacheFileOf(
  cache: WeightsCache | null,
  weights: readonly WeightBinding[],
  dtype: Dtype,
): Promise<string | null> {
  if (cache === null) return null
  const converted = weights.filter((one) => one.mix !== undefined || isConverted(one.dtype, dtype))
  const bytes = converted.reduce((sum, { shape }) => sum + bytesOf(dtype) * volume(shape), 0)
  if (bytes === 0 || bytes < cache.leastBytes) return null
  const sources = await sourcesOf(weights)
  if (sources === null) return null // whoever maps them says what is wrong
  const key = createHash('sha256')
    .update(JSON.stringify([FORMAT, dtype, ...sources]))
    .digest('hex')
  return join(cache.folder, `${key}.safetensors`)
}

/** What weights are made of: the same only while no file of theirs was changed. Null for files that cannot be looked at. */
export async function sourcesOf(
  weights: readonly WeightBinding[],
): Promise<readonly [identities: unknown, named: unknown] | null> {
  const sources = new Set(weights.flatMap(({ file, mix }) => (mix ? [file, mix.other.file] : [file])))
  const identities = await Promise.all([...sources].map(identityOf)).catch(() => null)
  const named = weights.map(({ name, file, offset, mix }) => [
    name,
    file,
    offset,
    mix?.weight,
    mix?.other.offset,
  ])
  return identities === null ? null : [identities, named]
}

/** The kept weights, or null where there are none that fit. */
export async function cachedWeights(
  file: string | null,
  entry: GraphEntry,
): Promise<readonly WeightBinding[] | null> {
  if (file === null) return null
  try {
    return bindWeights(entry, [await readHeader(file)])
  } catch {
    return null // not there, or damaged: computed and written again
  }
}

/** Keeps what was computed, and lets the graph use the kept copy: then it is shared, and its private one is freed. */
export async function keepWeights(
  file: string | null,
  {
    device,
    graph,
    entry,
  }: { readonly device: NativeDevice; readonly graph: NativeGraph; readonly entry: GraphEntry },
): Promise<void> {
  if (file === null) return
  try {
    await makeFolder(dirname(file))
    await sweepDrafts(dirname(file), { olderThanMs: ABANDONED_AFTER_MS })
    if ((await freeBytesOn(dirname(file))) < graph.memory.weights + SPARE_BYTES) return
    await placeAtomically(file, (draft) => device.save(graph, draft))
    await device.rebind(graph, bindWeights(entry, [await readHeader(file)]))
  } catch {
    // Computed again at the next start.
  }
}

function isConverted(stored: StoredDtype, dtype: Dtype): boolean {
  return isStoredFloat(stored) && stored !== STORED_AS[dtype]
}

/** A file that was replaced or changed is another one; a blob of the hub's cache has its hash in its real name. */
async function identityOf(file: string): Promise<readonly unknown[]> {
  const path = await realpath(file)
  const { size, mtimeMs, ino, dev } = await stat(path)
  return [path, size, mtimeMs, ino, dev]
}
