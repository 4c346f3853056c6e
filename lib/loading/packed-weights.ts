/**
 * What kernels pack of a network's weights, kept: the first start writes it into a file, and from then on processes map it and
 * share its pages. A file belongs to one checkpoint, kind of CPU and engine: another engine may lay weights out otherwise.
 */

import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { warn } from '../checks/warn'
import { makeFolder } from '../files/folder'
import { locked } from '../files/lock'
import { megabytes } from '../files/megabytes'
import { freeBytesOn } from '../files/space'
import { sweepDrafts } from '../files/sweep'
import { placeAtomically } from '../files/write'
import { readHeader } from '../model/safetensors'
import { messageOf } from '../native/binding'
import type { NativeDevice, NativeGraph } from '../native/types'
import { bytesOf } from '../tensors/dtype'
import { volume } from '../tensors/shape'
import type { NetworkRun } from './dtypes'
import type { NetworkPlan } from './plan'
import { ABANDONED_AFTER_MS, SPARE_BYTES, sourcesOf } from './weights-cache'

export interface PackedCache {
  readonly folder: string
  /** The engine's file. */
  readonly engine: string
}

const FORMAT = 1
const DAY_MS = 24 * 3600 * 1000
const UNUSED_AFTER_MS = 7 * DAY_MS
const ENDING = '.packed.safetensors'

interface Packing {
  readonly device: NativeDevice
  readonly graph: NativeGraph
  readonly network: NetworkPlan
  readonly run: NetworkRun
  readonly signal?: AbortSignal | undefined
}

/** Has a graph's kernels read what is kept, and keeps it where it is not yet. What fails is a warning: weights are packed then. */
export async function sharePacked(cache: PackedCache | null, packing: Packing): Promise<void> {
  try {
    if (cache === null) throw new Error('There is no folder for it.')
    const prefix = await prefixOf(packing)
    // Of what is in it, whatever its version says: a layout that changed is another engine.
    const engine = digest(await readFile(cache.engine)).slice(0, 16)
    const file = join(cache.folder, `${prefix}-${engine}${ENDING}`)
    if (await useKept(file, packing)) return
    await makeFolder(cache.folder)
    await locked(`${file}.lock`, { signal: packing.signal }, async () => {
      if (await useKept(file, packing)) return // somebody else was faster
      await keep(file, packing)
      await removeUnused(file, prefix)
      if (!(await useKept(file, packing))) throw new Error(`${file} cannot be read.`)
    })
  } catch (error) {
    packing.signal?.throwIfAborted()
    warn(`Packed weights are not shared, and take private memory: ${messageOf(error)}`)
  }
}

/** The start of a file's name: what is packed, and as what. */
async function prefixOf({ network: { graph, weights }, run }: Packing): Promise<string> {
  const sources = await sourcesOf(weights)
  if (sources === null) throw new Error('The weights cannot be looked at.')
  const { kind, pack, without } = run.kernels ?? {}
  const what = [FORMAT, graph.entry.sha256, graph.entry.blocks, run.stored, run.dtype, kind, pack, without]
  return digest(JSON.stringify([...what, ...sources])).slice(0, 40)
}

function digest(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** False where there is nothing whole. */
async function useKept(file: string, { device, graph }: Packing): Promise<boolean> {
  const header = await readHeader(file).catch(() => null)
  if (header === null) return false
  const packed = Array.from(header.tensors, ([name, { offset, bytes }]) => ({ name, file, offset, bytes }))
  try {
    await device.keepPacked(graph, packed)
  } catch (error) {
    if ((error as { code?: string }).code === 'WEIGHTS_FAILED') return false
    throw error
  }
  await markUsed(file)
  return true
}

async function keep(file: string, { device, graph, network, run }: Packing): Promise<void> {
  const folder = dirname(file)
  await sweepDrafts(folder, { olderThanMs: ABANDONED_AFTER_MS })
  const numbers = network.weights.reduce((sum, { shape }) => sum + volume(shape), 0)
  const wanted = bytesOf(run.dtype) * numbers + SPARE_BYTES
  const free = await freeBytesOn(folder)
  if (free < wanted)
    throw new Error(`Expected ${megabytes(wanted)} free in ${folder} but there are ${megabytes(free)}.`)
  await placeAtomically(file, (draft) => device.savePacked(graph, draft))
}

/** Keeps the time of the last use, to the day: the system does not everywhere. */
async function markUsed(file: string): Promise<void> {
  const { atimeMs, mtime } = await stat(file)
  if (Date.now() - atimeMs < DAY_MS) return
  await utimes(file, new Date(), mtime).catch(() => undefined) // not ours to mark
}

/** Files of the same for other engines, which nobody used for a week; best effort. */
async function removeUnused(file: string, prefix: string): Promise<void> {
  const folder = dirname(file)
  const names = await readdir(folder).catch(() => [])
  for (const name of names.filter((one) => one.startsWith(`${prefix}-`) && one.endsWith(ENDING))) {
    const path = join(folder, name)
    const used = await stat(path).catch(() => null)
    if (path !== file && used !== null && Date.now() - used.atimeMs > UNUSED_AFTER_MS)
      await rm(path, { force: true }).catch(() => undefined)
  }
}
