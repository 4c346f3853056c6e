import { basename, join } from 'node:path'
import { ModelError } from '../errors'
import { packageRoot } from '../files/package-root'
import { isThere } from '../files/probe'
import { snapshotIn } from '../hub/snapshot-name'
import type { CompiledMethod } from '../loading/compiled'
import type { StageRuns, WeightsDtype } from '../loading/dtypes'
import { Loras } from '../loading/loras'
import { type LoadPlan, planLoad } from '../loading/plan'
import type { CudaGraphs } from '../loading/recording'
import type { Model } from '../memory/loaded-model'
import { type ModelFiles, openModel, openPrior, type TokenizerFiles } from '../model/layout'
import { loadRuntime } from '../native/binding'
import type { RequestModel } from '../request/request'
import { defaultStepsOf } from '../request/schedules'
import { loadTokenizer } from '../text/tokenizer'
import { locateModel, type ModelName } from './locate'
import { loadOnDevices } from './on-devices'
import { type CheckedPipelineOptions, checkPipelineOptions, type PipelineOptions } from './options'
import { thisMachine } from './placement'
import type { LearningReaders } from './textual-inversions'

/** What a pipeline runs on. */
export interface PipelineInfo {
  /** The model's id on the hub, such as `warp-ai/wuerstchen`, or the name of its folder. */
  readonly model: string
  /** The commit of a model from the hub; null for a folder. */
  readonly commit: string | null
  /** One name for each device, such as `cpu`, `cpu:0` or `cuda:0`. */
  readonly devices: readonly string[]
  /** Names of the files that each network's weights are read from. */
  readonly weights: Readonly<Record<string, readonly string[]>>
  /** Pixels that `generate()` makes where it is not told a size. */
  readonly defaultSize: { readonly width: number; readonly height: number }
  /** Steps of Stage C and of Stage B where a request does not say. */
  readonly defaultSteps: { readonly prior: number; readonly decoder: number }
  /** Whether the model has a previewer, which `previewEvery` needs. */
  readonly previews: boolean
  readonly dtype: WeightsDtype
  /** Of the first device; others have more or fewer where NUMA nodes differ. */
  readonly threads: number
  /** What each stage computes in, and on which kernels; null where its graph runs as it is. On the first device. */
  readonly stages: StageRuns
  /** What is compiled of the model's networks, and why it is not used where it is not; on the first device. */
  readonly compiled: readonly CompiledMethod[]
  /** CUDA graph status; null when disabled. */
  readonly cudaGraphs: CudaGraphs | null
}

/** A model that is ready, and what requests to it are checked against. */
interface Pretrained {
  /** One for each device. */
  readonly models: readonly [Model, ...Model[]]
  readonly requests: RequestModel
  readonly info: PipelineInfo
  readonly loras: Loras
  readonly readers: LearningReaders
  readonly options: CheckedPipelineOptions
}

/** Where the model and the graphs that come with the package lie. */
const bundled = {
  model: join(packageRoot, 'models', 'shapes'),
  graphs: join(packageRoot, 'graphs'),
}

/** From a folder's name to a model on its devices. */
export async function loadPretrained(
  name: ModelName | undefined,
  pipelineOptions: PipelineOptions,
): Promise<Pretrained> {
  const options = checkPipelineOptions(pipelineOptions, thisMachine())
  options.signal?.throwIfAborted()
  const { files, mix } = await openFiles(name === undefined ? bundledModel() : name, options)
  // Their reading goes on while opening libtorch blocks this thread.
  const reading = Promise.all([
    planLoad(files, [...options.graphs, bundled.graphs], mix),
    loadTokenizers(files),
  ])
  reading.catch(() => undefined) // awaited below
  const runtime = loadRuntime({ libtorch: options.libtorch })
  const [plan, readers] = await reading
  options.signal?.throwIfAborted()
  const running = await loadOnDevices({ files, plan, runtime }, options)
  const loras = lorasOf(running.models, plan)
  return {
    models: running.models,
    requests: {
      geometry: files.geometry,
      defaults: files.defaults,
      previews: running.models[0].previewer !== null,
      tokenizers: readers,
      loras: () => loras.list,
    },
    info: infoOf(files, running, options),
    loras,
    readers,
    options,
  }
}

/** Downloads what is not there. A pair of priors is the first one's files, and how the second is mixed in. */
async function openFiles(name: ModelName, options: CheckedPipelineOptions) {
  const { decoder, prior, rest, other } = await locateModel(name, options)
  const files = await openModel(decoder, prior, rest, options.variant)
  if (other === undefined) return { files, mix: null }
  const component = await openPrior(decoder, other, rest, options.variant)
  return { files, mix: { component, weight: weightOf(options) } }
}

function lorasOf(
  models: readonly Model[],
  { prior, priorTextEncoder, decoder, decoderTextEncoder }: LoadPlan,
): Loras {
  return new Loras(models, {
    prior: prior.weights,
    priorTextEncoder: priorTextEncoder.weights,
    decoder: decoder.weights,
    decoderTextEncoder: decoderTextEncoder.weights,
  })
}

function infoOf(
  { decoderFolder, components, geometry, defaults }: ModelFiles,
  running: Awaited<ReturnType<typeof loadOnDevices>>,
  { devices: [first] }: CheckedPipelineOptions,
): PipelineInfo {
  const snapshot = snapshotIn(decoderFolder)
  const weights = Object.entries(components).map(
    ([name, { weightFiles }]) => [name, weightFiles.map((file) => basename(file))] as const,
  )
  return {
    model: snapshot?.repository ?? basename(decoderFolder),
    commit: snapshot?.commit ?? null,
    devices: running.devices,
    weights: Object.fromEntries(weights),
    defaultSize: { width: geometry.defaultWidth, height: geometry.defaultHeight },
    defaultSteps: defaultStepsOf(defaults),
    previews: components.previewer !== undefined,
    dtype: running.dtype,
    threads: first.threads,
    stages: Object.freeze({ ...running.stages }),
    compiled: running.compiled,
    get cudaGraphs() {
      return running.cudaGraphs()
    },
  }
}

function weightOf({ prior }: CheckedPipelineOptions): number {
  return typeof prior === 'object' ? prior.weight : 0
}

async function loadTokenizers({ tokenizers }: ModelFiles): Promise<LearningReaders> {
  const [prior, decoder] = await Promise.all([loadReader(tokenizers.prior), loadReader(tokenizers.decoder)])
  return { prior, decoder }
}

async function loadReader(files: TokenizerFiles): Promise<LearningReaders['prior']> {
  const tokenizer = await loadTokenizer(files.folder, files)
  return Object.assign(tokenizer, { channels: files.channels })
}

function bundledModel(): string {
  if (isThere(bundled.model)) return bundled.model
  throw new ModelError(
    'MODEL_NOT_FOUND',
    `Expected the model of the package at ${bundled.model} but found none`,
  )
}
