import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { callbacks } from '../checks/callbacks'
import { ModelError } from '../errors'
import { packageRoot } from '../files/package-root'
import { snapshotIn } from '../hub/snapshot-name'
import type { CompiledMethod } from '../loading/compiled'
import { chooseDtype, chooseRuns, dtypesOn, type StageRuns, type WeightsDtype } from '../loading/dtypes'
import { type LoadedModel, loadModel, openDevice, planLoad, withCompiled } from '../loading/load'
import { Loras } from '../loading/loras'
import {
  type CudaGraphs,
  chooseRecording,
  type Recording,
  summed,
  wantsRecordings,
} from '../loading/recording'
import { weightsCacheOf } from '../loading/weights-cache'
import { closeModel, type Model } from '../memory/loaded-model'
import { type ModelFiles, openModel, openPrior, type TokenizerFiles } from '../model/layout'
import { findCudaRecorder, loadRuntime, type NativeRuntime } from '../native/binding'
import { usableCores } from '../native/cores'
import type { RequestModel } from '../request/request'
import { defaultStepsOf } from '../request/schedules'
import { loadTokenizer } from '../text/tokenizer'
import { locateModel, type ModelName } from './locate'
import { type CheckedPipelineOptions, checkPipelineOptions, type PipelineOptions } from './options'
import type { LearningReaders } from './textual-inversions'

/** What a pipeline runs on. */
export interface PipelineInfo {
  /** The model's id on the hub, such as `warp-ai/wuerstchen`, or the name of its folder. */
  readonly model: string
  /** The commit of a model from the hub; null for a folder. */
  readonly commit: string | null
  /** One name for each device, such as `cpu` or `cuda:0`. */
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
  readonly threads: number
  /** What each stage computes in, and on which kernels; null where its graph runs as it is. On the first device. */
  readonly stages: StageRuns
  /** What is compiled of the model's networks, and why it is not used where it is not; on the first device. */
  readonly compiled: readonly CompiledMethod[]
  /** CUDA graph status; null when disabled. */
  readonly cudaGraphs: CudaGraphs | null
}

/** A model that is ready, and what requests to it are checked against. */
export interface Pretrained {
  /** One for each device. */
  readonly models: readonly [Model, ...Model[]]
  readonly requests: RequestModel
  readonly info: PipelineInfo
  readonly loras: Loras
  readonly readers: LearningReaders
  readonly options: CheckedPipelineOptions
}

/** Where the model and the graphs that come with the package lie. */
export const bundled = {
  model: join(packageRoot, 'models', 'shapes'),
  graphs: join(packageRoot, 'graphs'),
}

/** From a folder's name to a model on its device. What was opened is closed again when a step fails. */
export async function loadPretrained(
  name: ModelName | undefined,
  pipelineOptions: PipelineOptions,
): Promise<Pretrained> {
  const options = checkPipelineOptions(pipelineOptions, { threads: usableCores() })
  const { signal, onProgress } = options
  signal?.throwIfAborted()
  const { decoder, prior, rest, other } = await locateModel(
    name === undefined ? bundledModel() : name,
    options,
  )
  const files = await openModel(decoder, prior, rest, options.variant)
  const mix =
    other === undefined
      ? null
      : { component: await openPrior(decoder, other, rest, options.variant), weight: weightOf(options) }
  // Their reading goes on while opening libtorch blocks this thread.
  const reading = Promise.all([
    planLoad(files, [...options.graphs, bundled.graphs], mix),
    loadTokenizers(files),
  ])
  reading.catch(() => undefined) // awaited below
  const runtime = loadRuntime({ libtorch: options.libtorch })
  const [plan, tokenizers] = await reading
  signal?.throwIfAborted()
  const devices = openDevices(runtime, options)
  const models: LoadedModel[] = []
  const calls = callbacks()
  const told = calls.calling(onProgress)
  try {
    const [{ name: first }] = devices
    const weights = Object.values(plan).flatMap((network) => network.weights)
    const dtype = options.dtype === 'auto' ? chooseDtype(weights, first, runtime.cpu) : options.dtype
    const recorded = wantsRecordings(
      options.cudaGraphs,
      devices.map(({ name }) => name),
    )
    const runs: StageRuns[] = []
    const recordings: Recording[] = []
    for (const { device, name } of devices) {
      const dtypes = dtypesOn(name, dtype, weights, options.parity, runtime.cpu)
      const where = { device: name, offload: options.offload, cpu: runtime.cpu }
      const stages = chooseRuns(options.kernels, dtype, dtypes, where)
      const running = { rounding: dtypes.rounding, offload: options.offload }
      const ready = await withCompiled(plan, { device: name, ...running }, stages, runtime)
      const recording = chooseRecording(name, options.offload, findCudaRecorder())
      const model = await loadModel(device, files, ready, {
        ...running,
        ...stages.prior,
        stages,
        recorder: recorded ? recording.recorder : null,
        visits: options.offload !== 'none' && name !== 'cpu',
        cache: weightsCacheOf(options.weightsCache, { all: options.offload !== 'none' }),
        maxMemory: options.maxMemory,
        threads: options.threads,
        textCacheBytes: options.promptCacheBytes,
        signal,
        onLoaded: (component, loaded, of) => told({ type: 'load', component, loaded, of }),
      })
      models.push(model)
      runs.push(stages)
      recordings.push(recording)
    }
    await calls.finished()
    const [leading] = models as [LoadedModel]
    const loaded = models.map((one) => one.model) as [Model, ...Model[]]
    const loras = new Loras(loaded, {
      prior: plan.prior.weights,
      priorTextEncoder: plan.priorTextEncoder.weights,
      decoder: plan.decoder.weights,
      decoderTextEncoder: plan.decoderTextEncoder.weights,
    })
    const snapshot = snapshotIn(files.decoderFolder)
    return {
      models: loaded,
      requests: {
        geometry: files.geometry,
        defaults: files.defaults,
        previews: loaded[0].previewer !== null,
        tokenizers,
        loras: () => loras.list,
      },
      info: {
        model: snapshot?.repository ?? basename(files.decoderFolder),
        commit: snapshot?.commit ?? null,
        devices: devices.map(({ name }) => name),
        weights: Object.fromEntries(
          Object.entries(files.components).map(([name, { weightFiles }]) => [
            name,
            weightFiles.map((file) => basename(file)),
          ]),
        ),
        defaultSize: { width: files.geometry.defaultWidth, height: files.geometry.defaultHeight },
        defaultSteps: defaultStepsOf(files.defaults),
        previews: files.components.previewer !== undefined,
        dtype,
        threads: options.threads,
        stages: Object.freeze({ ...(runs[0] as StageRuns) }),
        compiled: leading.compiled,
        get cudaGraphs() {
          if (!recorded) return null
          return summed(
            recordings.map(({ ignored }, index) => ({
              ignored,
              networks: models[index]?.recordings() ?? [],
            })),
          )
        },
      },
      loras,
      readers: tokenizers,
      options,
    }
  } catch (error) {
    await Promise.all(models.map(({ model }) => closeModel(model)))
    await Promise.all(devices.map(({ device }) => device.close()))
    throw error
  }
}

type OpenDevice = ReturnType<typeof openDevice>

/** All devices, or none. */
function openDevices(
  runtime: NativeRuntime,
  { devices, threads }: CheckedPipelineOptions,
): [OpenDevice, ...OpenDevice[]] {
  const open: OpenDevice[] = []
  try {
    for (const wanted of devices) {
      open.push(openDevice(runtime, wanted, threads))
    }
  } catch (error) {
    for (const { device } of open) void device.close()
    throw error
  }
  return open as [OpenDevice, ...OpenDevice[]]
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
  if (existsSync(bundled.model)) return bundled.model
  throw new ModelError(
    'MODEL_NOT_FOUND',
    `Expected the model of the package at ${bundled.model} but found none`,
  )
}
