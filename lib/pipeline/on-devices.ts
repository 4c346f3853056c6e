/** A model on each of a pipeline's devices: how it runs there, its weights, and what the pipeline says of it. */
import { callbacks } from '../checks/callbacks'
import type { CompiledMethod } from '../loading/compiled'
import { chooseDtype, chooseRuns, dtypesOn, type StageRuns, type WeightsDtype } from '../loading/dtypes'
import { type LoadedModel, loadModel, openDevice } from '../loading/load'
import { type LoadPlan, withCompiled } from '../loading/plan'
import {
  type CudaGraphs,
  chooseRecording,
  type Recording,
  summed,
  wantsRecordings,
} from '../loading/recording'
import { weightsCacheOf } from '../loading/weights-cache'
import { closeModel, type Model } from '../memory/loaded-model'
import type { ModelFiles } from '../model/layout'
import { findCudaRecorder, type NativeRuntime } from '../native/binding'
import type { WeightBinding } from '../native/types'
import type { CheckedPipelineOptions, LoadProgress } from './options'
import type { Placement } from './placement'

/** What is loaded, and by what. */
interface Source {
  readonly files: ModelFiles
  readonly plan: LoadPlan
  readonly runtime: NativeRuntime
}

interface OnDevices {
  /** One for each device. */
  readonly models: readonly [Model, ...Model[]]
  /** Their names. */
  readonly devices: readonly string[]
  readonly dtype: WeightsDtype
  /** On the first device. */
  readonly stages: StageRuns
  readonly compiled: readonly CompiledMethod[]
  /** As it is now; null when disabled. */
  readonly cudaGraphs: () => CudaGraphs | null
}

/** What was opened is closed again when a step fails. */
export async function loadOnDevices(source: Source, options: CheckedPipelineOptions): Promise<OnDevices> {
  const devices = openDevices(source.runtime, options)
  const loaded: OnDevice[] = []
  const calls = callbacks()
  const tell = calls.calling(options.onProgress)
  try {
    const choice = choose(devices, source, options)
    for (const device of devices) loaded.push(await loadOn(device, source, { ...choice, options, tell }))
    await calls.finished()
    return together(loaded as [OnDevice, ...OnDevice[]], choice)
  } catch (error) {
    await Promise.all(loaded.map(({ model }) => closeModel(model.model)))
    await Promise.all(devices.map(({ device }) => device.close()))
    throw error
  }
}

type OpenDevice = ReturnType<typeof openDevice> & { readonly placement: Placement }

/** All devices, or none. */
function openDevices(
  runtime: NativeRuntime,
  { devices }: CheckedPipelineOptions,
): [OpenDevice, ...OpenDevice[]] {
  const open: OpenDevice[] = []
  try {
    for (const placement of devices) {
      const { device, threads, cpus } = placement
      open.push({ ...openDevice(runtime, device, threads, cpus), placement })
    }
  } catch (error) {
    for (const { device } of open) void device.close()
    throw error
  }
  return open as [OpenDevice, ...OpenDevice[]]
}

/** What is the same on all devices. */
interface Choice {
  readonly weights: readonly WeightBinding[]
  readonly dtype: WeightsDtype
  /** Whether steps are recorded, where a device can. */
  readonly records: boolean
}

function choose(
  devices: readonly [OpenDevice, ...OpenDevice[]],
  { plan, runtime }: Source,
  options: CheckedPipelineOptions,
): Choice {
  const weights = Object.values(plan).flatMap((network) => network.weights)
  const names = devices.map(({ name }) => name)
  return {
    weights,
    dtype: options.dtype === 'auto' ? chooseDtype(weights, devices[0].name, runtime.cpu) : options.dtype,
    records: wantsRecordings(options.cudaGraphs, names),
  }
}

interface OnDevice {
  readonly name: string
  readonly model: LoadedModel
  readonly stages: StageRuns
  readonly recording: Recording
}

interface Loading extends Choice {
  readonly options: CheckedPipelineOptions
  readonly tell: (progress: LoadProgress) => void
}

async function loadOn(
  { device, name, placement }: OpenDevice,
  { files, plan, runtime }: Source,
  { weights, dtype, records, options, tell }: Loading,
): Promise<OnDevice> {
  const { offload } = options
  const dtypes = dtypesOn(name, dtype, weights, options.parity, runtime.cpu)
  const stages = chooseRuns(options.kernels, dtype, dtypes, { device: name, offload, cpu: runtime.cpu })
  const running = { rounding: dtypes.rounding, offload }
  const ready = await withCompiled(plan, { device: name, ...running }, stages, runtime)
  const recording = chooseRecording(name, offload, findCudaRecorder())
  const cache = weightsCacheOf(options.weightsCache, { all: offload !== 'none' })
  const model = await loadModel(device, files, ready, {
    ...running,
    ...stages.prior,
    stages,
    recorder: records ? recording.recorder : null,
    visits: offload !== 'none' && name !== 'cpu',
    cache,
    packed: cache && { folder: cache.folder, engine: runtime.engine },
    maxMemory: options.maxMemory,
    threads: placement.threads,
    textCacheBytes: options.promptCacheBytes,
    signal: options.signal,
    onLoaded: (component, loaded, of) => tell({ type: 'load', component, loaded, of }),
  })
  const shown = placement.cpus === undefined ? name : placement.name
  return { name: shown, model, stages: asLoaded(stages, model), recording }
}

/** What could not be shared is not. */
function asLoaded(stages: StageRuns, { runOf }: LoadedModel): StageRuns {
  const of = <Run>(run: Run, name: 'prior' | 'decoder'): Run => ({ ...run, ...runOf(name) })
  return { ...stages, prior: of(stages.prior, 'prior'), decoder: of(stages.decoder, 'decoder') }
}

function together(loaded: readonly [OnDevice, ...OnDevice[]], { dtype, records }: Choice): OnDevices {
  const [first] = loaded
  const cudaGraphs = () =>
    summed(loaded.map(({ recording: { ignored }, model }) => ({ ignored, networks: model.recordings() })))
  return {
    models: loaded.map(({ model }) => model.model) as [Model, ...Model[]],
    devices: loaded.map(({ name }) => name),
    dtype,
    stages: first.stages,
    compiled: first.model.compiled,
    cudaGraphs: () => (records ? cudaGraphs() : null),
  }
}
