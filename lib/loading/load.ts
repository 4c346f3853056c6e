import { DeviceError, ModelError } from '../errors'
import { hasCuda } from '../libtorch/libraries'
import type { Model } from '../memory/loaded-model'
import { type Computing, Maps } from '../memory/maps'
import { Memory } from '../memory/memory'
import { largestBlock, type Offload, offloading, Residency } from '../memory/residency'
import type { Component, ModelFiles } from '../model/layout'
import { fromNative, messageOf, type NativeRuntime } from '../native/binding'
import type { NativeDevice, NativeGraph, NativeKernels, StepRecordings, WeightBinding } from '../native/types'
import { Decoder } from '../stages/decoder'
import { PixelDecoder } from '../stages/pixel-decoder'
import { Prior } from '../stages/prior'
import type { Stage } from '../stages/stage'
import { TextEncoder } from '../stages/text-encoder'
import { bytesOf } from '../tensors/dtype'
import type { CompiledMethod } from './compiled'
import { type ComponentName, componentOf, namesOf, type OfEach, runIn } from './components'
import { type Dtypes, type NetworkRun, type StageRuns, unshared } from './dtypes'
import { networksOf } from './networks'
import { type PackedCache, sharePacked } from './packed-weights'
import type { LoadPlan, NetworkPlan } from './plan'
import { cachedWeights, cacheFileOf, keepWeights, type WeightsCache } from './weights-cache'

/**
 * Opens `'cpu'`, `'cuda:1'`, ...; `'auto'` is the first GPU if libtorch and the machine have one, else the CPU. Its threads keep to
 * `cpus`, if any.
 */
export function openDevice(
  { addon, libtorch }: NativeRuntime,
  wanted: string,
  threads: number,
  cpus?: readonly number[],
): { readonly device: NativeDevice; readonly name: string } {
  const cuda = hasCuda(libtorch.directory)
  const names = wanted !== 'auto' ? [wanted] : cuda ? ['cuda', 'cpu'] : ['cpu']
  let refusal: unknown
  for (const name of names) {
    try {
      return { device: addon.openDevice({ device: name, threads, ...(cpus && { cpus }) }), name }
    } catch (error) {
      refusal = error
    }
  }
  throw new DeviceError(messageOf(refusal), { cause: refusal, details: { device: wanted } })
}

interface LoadOptions extends Dtypes {
  /** Null runs the graphs as they are. */
  readonly kernels: NativeKernels | null
  /** Stages that run otherwise. */
  readonly stages?: StageRuns | undefined
  /** Where converted weights are kept; null for nowhere. */
  readonly cache: WeightsCache | null
  /** Where packed weights are kept that are shared. Defaults to nowhere. */
  readonly packed?: PackedCache | null
  readonly offload: Offload
  /** Of the device. */
  readonly threads: number
  /** The library that steps are recorded with; null for none. */
  readonly recorder: string | null
  /** Whether offloaded weights reach the device as copies: a GPU has no pages of files. */
  readonly visits: boolean
  /** Bytes; null for no limit. */
  readonly maxMemory: number | null
  /** Bytes of texts' embeddings that are kept, of both text encoders together. Defaults to none. */
  readonly textCacheBytes?: number
  readonly signal?: AbortSignal | undefined
  /** After each network that is ready. */
  readonly onLoaded?: ((name: ComponentName, loaded: number, of: number) => void) | undefined
}

/** A model, and what became of what was to make it faster. */
export interface LoadedModel {
  readonly model: Model
  /** Everything that is compiled of its networks, used or not. */
  readonly compiled: readonly CompiledMethod[]
  /** How each network runs: what could not be shared is not. */
  readonly runOf: (name: ComponentName) => NetworkRun
  /** Recorded steps of the denoising stages. */
  readonly recordings: () => readonly StepRecordings[]
}

/** Gives every stage its graph and weights. On failure what was loaded is freed; the device stays the caller's. */
export async function loadModel(
  device: NativeDevice,
  files: ModelFiles,
  plan: LoadPlan,
  options: LoadOptions,
): Promise<LoadedModel> {
  const { offload, signal, onLoaded } = options
  const residency = new Residency(device, offload, options.visits)
  const graphs: Partial<Record<ComponentName, NativeGraph>> = {}
  const kept: { [name in ComponentName]?: ReadonlyMap<string, WeightBinding> } = {}
  const runs: { [name in ComponentName]?: NetworkRun } = {}
  const compiled: CompiledMethod[] = []
  try {
    // One by one: the device has one thread, and between two an abort is seen.
    const names = namesOf(files)
    for (const [index, name] of names.entries()) {
      signal?.throwIfAborted()
      const network = plan[name] as NetworkPlan
      const run = runOf(name, options)
      const loaded = await loadNetwork(device, name, network, { ...options, ...run }).catch((error) => {
        throw naming(name, componentOf(files, name), fromNative(error))
      })
      const { graph } = loaded
      graphs[name] = graph
      runs[name] = loaded.isShared ? run : unshared(run)
      if (loaded.kept !== null) kept[name] = new Map(loaded.kept.map((binding) => [binding.name, binding]))
      compiled.push(...asLoaded(network.compiled ?? [], graph))
      await residency.admit(graph, largestBlock(network.graph.entry, run.stored))
      onLoaded?.(name, index + 1, names.length)
    }
  } catch (error) {
    for (const graph of Object.values(graphs)) graph.dispose()
    throw error
  }
  const loaded = graphs as OfEach<NativeGraph>
  const runAsLoaded = (name: ComponentName) => runs[name] ?? runOf(name, options)
  const networks = networksOf(loaded, plan, runAsLoaded, files.footprint.decoder)
  const computingOf = (stage: Stage): Computing => {
    const { kernels, dtype } = runOf(stage, options)
    return { numberBytes: bytesOf(dtype), kernels: kernels !== null, threads: options.threads }
  }
  const maps = new Maps(files.footprint, {
    prior: computingOf('prior'),
    decoder: computingOf('decoder'),
    vqgan: computingOf('vqgan'),
  })
  const memory = new Memory(residency, networks, maps, options.maxMemory)
  const records = options.recorder !== null
  return {
    model: assemble(offloading(device, residency), files, loaded, { ...options, memory, records, kept }),
    compiled,
    runOf: runAsLoaded,
    recordings: () => [loaded.prior.recordings(), loaded.decoder.recordings()],
  }
}

/** What is compiled of a network, with what libtorch said against it. */
function asLoaded(compiled: readonly CompiledMethod[], { refused }: NativeGraph): readonly CompiledMethod[] {
  return compiled.map((one) => ({ ...one, ignored: one.ignored ?? refused[one.method] ?? null }))
}

interface LoadedNetwork {
  readonly graph: NativeGraph
  /** Its converted weights, where they are kept. */
  readonly kept: readonly WeightBinding[] | null
}

/** Weights that are converted, or packed to be shared, are taken from the cache, or put there. */
async function loadNetwork(
  device: NativeDevice,
  name: ComponentName,
  network: NetworkPlan,
  options: LoadOptions,
): Promise<LoadedNetwork & { readonly isShared: boolean }> {
  const loaded = await loadConverted(device, network, options)
  const { kernels, packed = null, signal } = options
  if (!kernels?.shared) return { ...loaded, isShared: false }
  const packing = { name, device, graph: loaded.graph, network, run: options, signal }
  return { ...loaded, isShared: await sharePacked(packed, packing) }
}

async function loadConverted(
  device: NativeDevice,
  { graph: { path, entry }, weights, compiled = [] }: NetworkPlan,
  { stored, dtype, kernels, cache, offload, recorder, visits }: LoadOptions,
): Promise<LoadedNetwork> {
  const used = compiled.filter(({ ignored }) => ignored === null)
  const lazy = offload !== 'none'
  const how = { stored, dtype, kernels, compiled: used, lazy, visits, ...(recorder !== null && { recorder }) }
  const { blocks } = entry
  const load = (weights: readonly WeightBinding[]) => device.load({ graph: path, weights, blocks, ...how })
  const file = await cacheFileOf(cache, weights, stored)
  const mapped = await cachedWeights(file, entry)
  const graph = await load(mapped ?? weights)
  if (mapped !== null || file === null) return { graph, kept: mapped }
  const kept = await keepWeights(file, { device, graph, entry })
  if (offload === 'none' || kept === null) return { graph, kept }
  graph.dispose()
  return { graph: await load(kept), kept } // without the private copies of the first
}

/** How a network runs: as its stage, or as all. */
function runOf(name: ComponentName, { stages, stored, dtype, kernels }: LoadOptions): NetworkRun {
  return stages === undefined ? { stored, dtype, kernels } : runIn(stages, name)
}

function assemble(
  device: NativeDevice,
  { schedulers, constants, geometry }: ModelFiles,
  graphs: OfEach<NativeGraph>,
  {
    rounding,
    offload,
    memory,
    records,
    kept,
    textCacheBytes = 0,
  }: Pick<LoadOptions, 'rounding' | 'offload' | 'textCacheBytes'> &
    Pick<Model, 'memory' | 'records' | 'kept'>,
): Model {
  return {
    device,
    offload,
    memory,
    records,
    kept,
    priorTextEncoder: new TextEncoder(device, graphs.priorTextEncoder, textCacheBytes / 2),
    prior: new Prior(device, graphs.prior, schedulers.prior, rounding),
    decoderTextEncoder: new TextEncoder(device, graphs.decoderTextEncoder, textCacheBytes / 2),
    decoder: new Decoder(device, graphs.decoder, schedulers.decoder, rounding),
    vqgan: new PixelDecoder(device, graphs.vqgan),
    previewer: graphs.previewer ? new PixelDecoder(device, graphs.previewer) : null,
    rounding,
    latentMean: constants.latentMean,
    latentStd: constants.latentStd,
    priorChannels: geometry.priorChannels,
    latentChannels: geometry.latentChannels,
  }
}

/** A native message says what is wrong with a file but not which network it belongs to. */
function naming(name: ComponentName, { weightFiles }: Component, error: unknown): unknown {
  if (!(error instanceof ModelError)) return error
  const kind = error.code === 'ERR_WUERSTCHEN_WEIGHTS_INVALID' ? 'WEIGHTS_INVALID' : 'GRAPH_INVALID'
  const details = { component: name, weightFiles }
  return new ModelError(kind, `The ${name} could not be loaded: ${error.message}`, {
    cause: error.cause,
    details,
  })
}
