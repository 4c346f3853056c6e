import { bug, DeviceError, ModelError } from '../errors'
import { hasCuda } from '../libtorch/libraries'
import type { Model } from '../memory/loaded-model'
import { type Computing, Maps } from '../memory/maps'
import { Memory, type StageNetworks } from '../memory/memory'
import { type ImageWidths, packedNumbers } from '../memory/packing'
import { largestBlock, type Offload, offloading, Residency } from '../memory/residency'
import { findGraph, type Graph } from '../model/graphs'
import type { Component, ModelFiles } from '../model/layout'
import { readHeader, type SafetensorsHeader } from '../model/safetensors'
import { bindWeights, mixWeights } from '../model/weights'
import { fromNative, messageOf, type NativeRuntime } from '../native/binding'
import type {
  Dtype,
  NativeDevice,
  NativeGraph,
  NativeKernels,
  StepRecordings,
  WeightBinding,
} from '../native/types'
import { Decoder } from '../stages/decoder'
import { PixelDecoder } from '../stages/pixel-decoder'
import { Prior } from '../stages/prior'
import type { Stage } from '../stages/stage'
import { TextEncoder } from '../stages/text-encoder'
import { bytesOf } from '../tensors/dtype'
import { volume } from '../tensors/shape'
import { type CompiledMethod, chooseCompiled, type Running } from './compiled'
import type { Dtypes, NetworkRun, StageRuns } from './dtypes'
import { cachedWeights, cacheFileOf, keepWeights, type WeightsCache } from './weights-cache'

type ComponentName = keyof ModelFiles['components']

/** In the order in which a picture needs them. */
const COMPONENTS = ['priorTextEncoder', 'prior', 'decoderTextEncoder', 'decoder', 'vqgan'] as const

/** The networks that a model has. */
function namesOf({ components }: ModelFiles): readonly ComponentName[] {
  return components.previewer === undefined ? COMPONENTS : [...COMPONENTS, 'previewer']
}

/** One of each network that every model has, and perhaps of the previewer. */
type OfEach<Value> = Readonly<Record<(typeof COMPONENTS)[number], Value> & { previewer?: Value }>

/** What loading one network takes: the graph's file, and where in which files its weights lie. */
export type LoadPlan = OfEach<NetworkPlan>

interface NetworkPlan {
  readonly graph: Graph
  readonly weights: readonly WeightBinding[]
  /** What is compiled of it, once that was looked at. */
  readonly compiled?: readonly CompiledMethod[]
}

/** The same plan, with what is compiled and whether it is used. */
export async function withCompiled(
  plan: LoadPlan,
  running: Omit<Running, keyof NetworkRun>,
  stages: StageRuns,
  runtime: NativeRuntime,
): Promise<LoadPlan> {
  const planned = Object.entries(plan).map(async ([name, network]) => {
    const own = { ...running, ...runIn(stages, name as ComponentName) }
    return [name, { ...network, compiled: await chooseCompiled(network.graph, own, runtime) }] as const
  })
  return Object.fromEntries(await Promise.all(planned)) as LoadPlan
}

/** A second prior of the same kind, and how far to go towards it: 0 stays, 1 is there. */
export interface PriorMix {
  readonly component: Component
  readonly weight: number
}

/** Finds every network's graph and weights. Reads headers only; nothing native is needed for it. */
export async function planLoad(
  files: ModelFiles,
  graphFolders: readonly string[],
  mix: PriorMix | null = null,
): Promise<LoadPlan> {
  const planned = namesOf(files).map(async (name) => {
    const component = componentOf(files, name)
    const [graph, weights, other] = await Promise.all([
      findGraph(graphFolders, component.class, component.config),
      readHeaders(component),
      name === 'prior' && mix !== null ? readHeaders(mix.component) : null,
    ])
    const bound = bindWeights(graph.entry, weights)
    const mixed =
      other === null ? bound : mixWeights(bound, bindWeights(graph.entry, other), mix?.weight ?? 0)
    return [name, { graph, weights: mixed }] as const
  })
  return Object.fromEntries(await Promise.all(planned)) as LoadPlan
}

function componentOf({ components }: ModelFiles, name: ComponentName): Component {
  const component = components[name]
  if (component === undefined) throw bug(`Expected the model to have a ${name}.`)
  return component
}

function readHeaders({ weightFiles }: Component): Promise<readonly SafetensorsHeader[]> {
  return Promise.all(weightFiles.map((file) => readHeader(file)))
}

/** Opens `'cpu'`, `'cuda:1'`, ...; `'auto'` is the first GPU if libtorch and the machine have one, else the CPU. */
export function openDevice(
  { addon, libtorch }: NativeRuntime,
  wanted: string,
  threads: number,
): { readonly device: NativeDevice; readonly name: string } {
  const cuda = hasCuda(libtorch.directory)
  const names = wanted !== 'auto' ? [wanted] : cuda ? ['cuda', 'cpu'] : ['cpu']
  let refusal: unknown
  for (const name of names) {
    try {
      return { device: addon.openDevice({ device: name, threads }), name }
    } catch (error) {
      refusal = error
    }
  }
  throw new DeviceError(messageOf(refusal), { cause: refusal, details: { device: wanted } })
}

export interface LoadOptions extends Dtypes {
  /** Null runs the graphs as they are. */
  readonly kernels: NativeKernels | null
  /** Stages that run otherwise. */
  readonly stages?: StageRuns | undefined
  /** Where converted weights are kept; null for nowhere. */
  readonly cache: WeightsCache | null
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
  const compiled: CompiledMethod[] = []
  try {
    // One by one: the device has one thread, and between two an abort is seen.
    const names = namesOf(files)
    for (const [index, name] of names.entries()) {
      signal?.throwIfAborted()
      const network = plan[name] as NetworkPlan
      const run = runOf(name, options)
      const loaded = await loadNetwork(device, network, { ...options, ...run }).catch((error) => {
        throw naming(name, componentOf(files, name), fromNative(error))
      })
      graphs[name] = loaded
      compiled.push(...asLoaded(network.compiled ?? [], loaded))
      await residency.admit(loaded, largestBlock(network.graph.entry, run.stored))
      onLoaded?.(name, index + 1, names.length)
    }
  } catch (error) {
    for (const graph of Object.values(graphs)) graph.dispose()
    throw error
  }
  const loaded = graphs as OfEach<NativeGraph>
  const networks = networksOf(loaded, plan, options, files.footprint.decoder)
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
    model: assemble(offloading(device, residency), files, loaded, { ...options, memory, records }),
    compiled,
    recordings: () => [loaded.prior.recordings(), loaded.decoder.recordings()],
  }
}

/** What is compiled of a network, with what libtorch said against it. */
function asLoaded(compiled: readonly CompiledMethod[], { refused }: NativeGraph): readonly CompiledMethod[] {
  return compiled.map((one) => ({ ...one, ignored: one.ignored ?? refused[one.method] ?? null }))
}

/** Converted weights are taken from the cache, or put there. */
async function loadNetwork(
  device: NativeDevice,
  { graph: { path, entry }, weights, compiled = [] }: NetworkPlan,
  { stored, dtype, kernels, cache, offload, recorder, visits }: LoadOptions,
): Promise<NativeGraph> {
  const used = compiled.filter(({ ignored }) => ignored === null)
  const lazy = offload !== 'none'
  const how = { stored, dtype, kernels, compiled: used, lazy, visits, ...(recorder !== null && { recorder }) }
  const { blocks } = entry
  const load = (weights: readonly WeightBinding[]) => device.load({ graph: path, weights, blocks, ...how })
  const kept = await cacheFileOf(cache, weights, stored)
  const mapped = await cachedWeights(kept, entry)
  const graph = await load(mapped ?? weights)
  if (mapped !== null || kept === null) return graph
  await keepWeights(kept, { device, graph, entry })
  const file = offload === 'none' ? null : await cachedWeights(kept, entry)
  if (file === null) return graph
  graph.dispose()
  return load(file) // without the private copies of the first
}

/**
 * Bytes of a weight in the kernels' layout; of one in 8 bits with its share of a scale. Stage A's are packed wherever there are
 * kernels: its scalars are folded into them.
 */
function packedBytes(name: ComponentName, kernels: NativeKernels | null, dtype: Dtype): number {
  if (kernels === null || !hasBlocks(name)) return 0
  if (kernels.pack === 'int8' || kernels.pack === 'bytes') return 1.1
  return kernels.pack === 'full' || name === 'vqgan' ? bytesOf(dtype) : 0
}

/** Whether kernels copy what it computes with: a text encoder's weights are read where they lie. */
function hasBlocks(name: ComponentName): boolean {
  return name === 'prior' || name === 'decoder' || name === 'vqgan'
}

const DOUBLE = 8 // bytes: what is folded into a weight or its bias is multiplied so

const STAGE_OF: Readonly<Record<ComponentName, Stage>> = {
  priorTextEncoder: 'prior',
  prior: 'prior',
  previewer: 'prior',
  decoderTextEncoder: 'decoder',
  decoder: 'decoder',
  vqgan: 'vqgan',
}

/** How a network runs: as its stage, or as all. */
function runOf(name: ComponentName, { stages, stored, dtype, kernels }: LoadOptions): NetworkRun {
  return stages === undefined ? { stored, dtype, kernels } : runIn(stages, name)
}

function runIn(stages: StageRuns, name: ComponentName): NetworkRun {
  if (name === 'priorTextEncoder') return stages.prior.text
  return name === 'decoderTextEncoder' ? stages.decoder.text : stages[STAGE_OF[name]]
}

/** Which networks run in which stage. */
function networksOf(
  graphs: OfEach<NativeGraph>,
  plan: LoadPlan,
  options: LoadOptions,
  image: ImageWidths,
): StageNetworks {
  const of = (name: ComponentName) => {
    const { stored, dtype, kernels } = runOf(name, options)
    const { graph } = plan[name] as NetworkPlan
    const widest = Math.max(0, ...graph.entry.parameters.map(({ shape }) => volume(shape)))
    const packed = packedNumbers(graph.entry, image)
    return {
      graph: graphs[name] as NativeGraph,
      widest: stored !== dtype ? widest : 0,
      packed: Math.ceil(packedBytes(name, kernels, dtype) * packed.all),
      prepared: kernels !== null && hasBlocks(name) ? DOUBLE * packed.folded : 0,
      parameters: graph.entry.parameters.length,
    }
  }
  const previewer = graphs.previewer === undefined ? [] : [of('previewer')]
  return {
    prior: [of('priorTextEncoder'), of('prior'), ...previewer],
    decoder: [of('decoderTextEncoder'), of('decoder')],
    vqgan: [of('vqgan')],
  }
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
    textCacheBytes = 0,
  }: Pick<LoadOptions, 'rounding' | 'offload' | 'textCacheBytes'> & Pick<Model, 'memory' | 'records'>,
): Model {
  return {
    device,
    offload,
    memory,
    records,
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
