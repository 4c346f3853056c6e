import { checkNames } from '../checks/names'
import * as check from '../checks/values'
import { expected } from '../errors'
import type { DownloadProgress } from '../hub/download'
import { checkRevision } from '../hub/id'
import { type HubOptions, type HubSettings, hubSettings } from '../hub/settings'
import type { StageKernels, WeightsDtype } from '../loading/dtypes'
import type { Offload } from '../memory/residency'
import type { Kernels } from '../native/types'
import { STAGES, type Stage } from '../stages/stage'
import { type PriorPair, readModelName } from './locate'
import { type Machine, type Placement, placeDevices } from './placement'

/** One network of the model is ready. */
export interface NetworkLoaded {
  readonly type: 'load'
  readonly component: string
  /** Networks ready, of `of`. */
  readonly loaded: number
  readonly of: number
}

/** What happens until a pipeline is ready: bytes arrive, then networks load. */
export type LoadProgress = DownloadProgress | NetworkLoaded

/** Options of `WuerstchenPipeline.fromPretrained()`. */
export interface PipelineOptions extends HubOptions {
  /**
   * Folder of the prior, or its id on the hub, `org/name` or `org/name@revision`. A prior that was published as a network
   * alone (warp-ai/wuerstchen-prior-model-base) takes all else from the one below. Defaults to the one that the decoder's
   * model card names. `{ from: [a, b], weight }` is a prior between two: `weight` from 0, the first, to 1, the second;
   * 0.5 by default.
   */
  prior?:
    | string
    | URL
    | { readonly from: readonly [string, string]; readonly weight?: number | undefined }
    | undefined
  /** Branch, tag or commit of a model on the hub. Defaults to `'main'`. */
  revision?: string | undefined
  /**
   * Which weights are read where a folder has several, such as `'fp16'` for `model.fp16.safetensors`. A network without such a
   * file brings its plain one, and a warning says so; `pipeline.info.weights` names the files of each. Defaults to the plain
   * ones.
   */
  variant?: string | undefined
  /**
   * `'auto'`, `'cpu'`, `'cuda'`, `'cuda:1'`, `'mps'`. Defaults to `'auto'`: the first GPU, or the CPU. A list of 1 to 64 has
   * the model on each and deals the images of one queue out to them: `['cuda:0', 'cuda:1']`. Two of one kind on the CPU share
   * its cores and the mapped weights. On Linux `'cpu:0'` is the CPUs of NUMA node 0, and its threads stay there.
   */
  device?: string | readonly string[] | undefined
  /**
   * What is kept in memory of the weights: `'none'`: all of them, none is offloaded. `'model'`: the network at work.
   * `'sequential'`: about one block of it, with the next one read ahead. The pictures are the same bit for bit. The rest are
   * pages of the weights' files, which the system keeps for as long as it has room. A GPU gets copies of what it is to hold.
   * What `weightsCache: false` or a LoRA makes private memory stays in the host's. Defaults to `'none'`.
   */
  offload?: Offload | undefined
  /**
   * Bytes, 1 to 2 ** 50, that weights and tensors may take on each device, beside Node and libtorch themselves (0.2 GB).
   * Batches fit a prediction; a request of which not even one picture fits is refused with MemoryLimitError. No limit by default.
   */
  maxMemory?: number | undefined
  /**
   * Bytes of texts' embeddings that are kept for requests with the same text, on each device, an integer from 0 on. They are
   * about 700,000 for 77 tokens in v2. They come on top of `maxMemory`. 0 has every request encode its own. Defaults to 64 MiB.
   */
  promptCacheBytes?: number | undefined
  /**
   * What the weights are held and the networks compute in: `'auto'`, `'float32'`, `'bfloat16'`, `'float16'`. A CPU that is slow
   * at a narrow type computes in float32 and keeps the weights narrow. `'int8'`, on a CPU with AVX2, AVX-512 or NEON, rounds
   * the weights of the large products to 8 bits. 256 of a row share a scale. With AVX512-VNNI, AMX, or Arm's `asimddp`, most of
   * what they are multiplied with is rounded to 8 bits as well, elsewhere to 16. All else is computed in float32, but for text
   * encoders and attention where the CPU multiplies bfloat16. Pictures are nearer to float32's than bfloat16's
   * (docs/fidelity.md). Not with `parity`, or kernels that do not pack. With `offload` kernels are `'shared'`. Defaults to `'auto'`: bfloat16 for over 500
   * million parameters on a device that multiplies it natively, else float32.
   */
  dtype?: 'auto' | WeightsDtype | undefined
  /**
   * `'diffusers'` copies what diffusers rounds in a narrow dtype. Noise is drawn in it; timesteps, predictions and latents are
   * rounded to it. It is computed in even where that is slow. Without it these stay in float32, as in the model's training. No
   * difference in float32. Defaults to `'none'`.
   */
  parity?: 'none' | 'diffusers' | undefined
  /**
   * How the blocks of the networks run on a CPU. In float32 with AVX2, AVX-512 or NEON; in bfloat16 with AVX512-BF16, AMX or
   * Arm's `bf16`. `'packed'`: on kernels of ours, with weights in the kernels' own layout. That takes as much private memory as
   * the weights have in the type that is computed in. `'shared'`: the same of Stages B and C, but in files of `weightsCache`, as large
   * as the weights are. The first start writes them, later ones map them, and the processes of a machine share them. Where they
   * cannot be kept, a warning says so, and weights are packed. `'mapped'`: the same kernels read the weights where they lie, up to a
   * tenth slower, and processes share them. `'off'`: as the graphs were exported, on libtorch's operators. Defaults to
   * `'auto'`: packed where the weights are held in the type that is computed in, and all of them at once, else mapped. The
   * environment variable WUERSTCHEN_CPU takes the CPU for a lesser kind: `avx512_bf16`, `avx512_vnni`, `avx512`, `avx2`. On Arm
   * these are `neon_dotprod` and `neon`. `baseline` has no kernels. An object chooses for each stage: `{ prior, decoder, vqgan
   * }`, of which any may be left out. `pipeline.info.stages` says what was chosen.
   */
  kernels?: 'auto' | Kernels | { readonly [stage in Stage]?: 'auto' | Kernels | undefined } | undefined
  /**
   * Whether a CUDA device records the steps of Stages B and C as CUDA graphs, once for each shape of a batch. Each is then
   * repeated at one launch: less work for the CPU, more memory on the device. Without offloading only; elsewhere it is ignored, and
   * `pipeline.info.cudaGraphs` says why. Defaults to true on CUDA devices.
   */
  cudaGraphs?: boolean | undefined
  /**
   * CPU threads of each device, 1 to 1024. Defaults to the cores that the system gives this process (affinity, quotas of
   * containers; threads of one core count once), shared among its devices. A device such as `'cpu:0'` has those of its node.
   */
  threads?: number | undefined
  /** Folder of libtorch, or of a Python environment with torch. Defaults to a search: see `wuerstchen doctor`. */
  libtorch?: string | undefined
  /**
   * Folder where converted weights are kept, so that the next start maps them. They are those of large networks that are stored
   * in another dtype than they run in, or mixed of two, and those of `kernels: 'shared'`. `false` for none. Defaults to `weights` in WUERSTCHEN_CACHE or
   * ~/.cache/wuerstchen.
   */
  weightsCache?: string | false | undefined
  /** Folders with exported graphs, looked at before the package's own. Defaults to none. */
  graphs?: string | readonly string[] | undefined
  /**
   * Batch entries of one native call, 1 to 1024; a guided image takes two. More is faster and takes more memory. It bounds the
   * images that are begun as well. There are as many as fill two such batches, and as many again for those of higher priority.
   * All others wait and hold no memory. Defaults to 8.
   */
  maxBatchRows?: number | undefined
  /**
   * Images that may wait or run at once, 1 to a million; what exceeds it is refused with QueueFullError. A request that is larger
   * than this is refused with InvalidArgumentError. Defaults to 1024.
   */
  maxQueue?: number | undefined
  /** Called as bytes arrive and after each network that is ready. What it throws rejects the load. */
  onProgress?: ((progress: LoadProgress) => void) | undefined
  /** Stops loading; nothing is left behind. */
  signal?: AbortSignal | undefined
}

/** The same with every default filled in. */
export interface CheckedPipelineOptions {
  readonly prior: string | PriorPair | undefined
  readonly revision: string | undefined
  readonly variant: string | undefined
  readonly hub: HubSettings
  readonly devices: readonly [Placement, ...Placement[]]
  readonly offload: Offload
  readonly maxMemory: number | null
  readonly promptCacheBytes: number
  readonly dtype: 'auto' | WeightsDtype
  readonly parity: 'none' | 'diffusers'
  readonly kernels: StageKernels
  readonly cudaGraphs: boolean | undefined
  readonly libtorch: string | undefined
  readonly weightsCache: string | false | undefined
  readonly graphs: readonly string[]
  readonly maxBatchRows: number
  readonly maxQueue: number
  readonly onProgress: ((progress: LoadProgress) => void) | undefined
  readonly signal: AbortSignal | undefined
}

const NAMES: Readonly<Record<keyof PipelineOptions, true>> = {
  prior: true,
  revision: true,
  variant: true,
  token: true,
  cacheDir: true,
  localFilesOnly: true,
  device: true,
  offload: true,
  maxMemory: true,
  promptCacheBytes: true,
  dtype: true,
  parity: true,
  kernels: true,
  cudaGraphs: true,
  threads: true,
  libtorch: true,
  weightsCache: true,
  graphs: true,
  maxBatchRows: true,
  maxQueue: true,
  onProgress: true,
  signal: true,
}

/** The options of `fromPretrained()`. */
export const PIPELINE_OPTION_NAMES: readonly string[] = Object.keys(NAMES)

/** Every option checked and its default filled in, before anything is opened. */
export function checkPipelineOptions(options: PipelineOptions, machine: Machine): CheckedPipelineOptions {
  checkNames(options, PIPELINE_OPTION_NAMES)
  const { onProgress, signal, graphs = [] } = options
  const { dtype = 'auto', parity = 'none', offload = 'none' } = options
  const kernels = kernelsOf(options.kernels)
  if (dtype === 'int8') checkInt8({ parity, offload }, kernels)
  checkShared(options, kernels)
  const { cudaGraphs, maxBatchRows = 8, maxQueue = 1024, promptCacheBytes = 2 ** 26 } = options
  return {
    prior: priorOf(options.prior),
    revision: options.revision === undefined ? undefined : checkRevision(options.revision),
    variant: checkVariant(options.variant),
    hub: hubSettings(checkHubOptions(options)),
    devices: placeDevices(options.device, options.threads, machine),
    offload: check.oneOf('offload', offload, ['none', 'model', 'sequential']),
    promptCacheBytes: check.integer('promptCacheBytes', promptCacheBytes, { min: 0, max: 2 ** 40 }),
    maxMemory:
      options.maxMemory === undefined
        ? null
        : check.integer('maxMemory', options.maxMemory, { min: 1, max: 2 ** 50 }),
    dtype: check.oneOf('dtype', dtype, ['auto', 'float32', 'bfloat16', 'float16', 'int8']),
    parity: check.oneOf('parity', parity, ['none', 'diffusers']),
    kernels,
    cudaGraphs: cudaGraphs === undefined ? undefined : check.boolean('cudaGraphs', cudaGraphs),
    libtorch: folder('libtorch', options.libtorch),
    weightsCache:
      options.weightsCache === false
        ? false
        : folder('weightsCache', options.weightsCache, 'a folder or false'),
    graphs: (Array.isArray(graphs) ? graphs : [graphs]).map((path) => folder('graphs', path) ?? ''),
    maxBatchRows: check.integer('maxBatchRows', maxBatchRows, { min: 1, max: 1024 }),
    maxQueue: check.integer('maxQueue', maxQueue, { min: 1, max: 1_000_000 }),
    onProgress: onProgress === undefined ? undefined : check.callback('onProgress', onProgress),
    signal: signal === undefined ? undefined : check.abortSignal('signal', signal),
  }
}

/** Weights of 8 bits are made when they are packed. */
function checkInt8(
  { parity, offload }: Pick<PipelineOptions, 'parity' | 'offload'>,
  kernels: StageKernels,
): void {
  if (parity !== 'none') throw expected('parity', "'none' with dtype 'int8'", parity)
  for (const wanted of Object.values(kernels)) {
    if (wanted === 'mapped' || wanted === 'off')
      throw expected('kernels', "'auto', 'packed' or 'shared' with dtype 'int8'", wanted)
  }
  // Stage A's are private in any case.
  if (offload !== 'none' && [kernels.prior, kernels.decoder].includes('packed'))
    throw expected('kernels', "'auto' or 'shared' with dtype 'int8' and offload", 'packed')
}

/** What is shared is kept in the cache. */
function checkShared(
  { weightsCache, dtype, offload = 'none' }: Pick<PipelineOptions, 'weightsCache' | 'dtype' | 'offload'>,
  kernels: StageKernels,
): void {
  if (weightsCache !== false) return
  if ([kernels.prior, kernels.decoder].includes('shared'))
    throw expected('weightsCache', "a folder with kernels 'shared'", weightsCache)
  if (dtype === 'int8' && offload !== 'none')
    throw expected('weightsCache', "a folder with dtype 'int8' and offload", weightsCache)
}

function kernelsOf(kernels: PipelineOptions['kernels'] = 'auto'): StageKernels {
  const known = ['auto', 'packed', 'shared', 'mapped', 'off'] as const
  if (typeof kernels !== 'object' || kernels === null) {
    const all = check.oneOf('kernels', kernels, known)
    return { prior: all, decoder: all, vqgan: all }
  }
  checkNames(kernels, STAGES)
  const of = (stage: Stage) => check.oneOf(`kernels.${stage}`, kernels[stage] ?? 'auto', known)
  return { prior: of('prior'), decoder: of('decoder'), vqgan: of('vqgan') }
}

function priorOf(prior: PipelineOptions['prior']): string | PriorPair | undefined {
  if (prior === undefined) return undefined
  if (typeof prior !== 'object' || prior === null || prior instanceof URL)
    return readModelName('prior', prior)
  checkNames(prior, ['from', 'weight'])
  const { from, weight = 0.5 } = prior
  const given = check.list('prior.from', from, 'two folders or ids', { min: 2, max: 2 })
  const [first, second] = given.map((one, index) => readModelName(`prior.from[${index}]`, one))
  return {
    from: [first as string, second as string],
    weight: check.number('prior.weight', weight, { min: 0, max: 1 }),
  }
}

/** It becomes part of a file's name. */
export function checkVariant(variant: unknown): string | undefined {
  if (variant === undefined || (typeof variant === 'string' && /^\w[\w-]{0,31}$/.test(variant)))
    return variant
  throw expected('variant', "the name of a variant, such as 'fp16',", variant)
}

/** Options of every call that may ask the hub. */
export function checkHubOptions({ token, cacheDir, localFilesOnly }: HubOptions): HubOptions {
  if (localFilesOnly !== undefined) check.boolean('localFilesOnly', localFilesOnly)
  // Not shown: it is a secret, even a wrong one.
  if (token !== undefined && !(typeof token === 'string' && /^[\x21-\x7e]+$/.test(token))) {
    throw expected('token', 'printable characters without spaces', typeof token === 'string' ? '…' : token)
  }
  return { token, cacheDir: folder('cacheDir', cacheDir), localFilesOnly }
}

function folder(name: string, value: unknown, what = 'the path of a folder'): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  throw expected(name, what, value)
}
