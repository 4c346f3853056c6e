/** The door of the package: what is exported here is its public interface. */
import { packageVersion } from './files/package-root'

export { DEFAULT_STAGE_C_TIMESTEPS, OFFICIAL_STAGE_C_TIMESTEPS } from './diffusion/scheduler'
export { type Diagnosis, diagnose, type Problem } from './doctor'
export { ImageEmbeddings, type ImageEmbeddingsFacts, type NoiseState } from './embeddings/image-embeddings'
export { PromptEmbeddings } from './embeddings/prompt-embeddings'
export type { ImageTimings } from './engine/clock'
export type {
  PipelineStatistics,
  RequestMessage,
  StageStatistics,
  TextStatistics,
  TurnMessage,
} from './engine/statistics'
export {
  BrokerError,
  DeviceError,
  DisposedError,
  DownloadError,
  ERRORS,
  type ErrorCode,
  type ErrorKind,
  GenerationError,
  HubError,
  InvalidArgumentError,
  LibtorchError,
  MemoryLimitError,
  ModelError,
  OutOfMemoryError,
  PromptSyntaxError,
  QueueFullError,
  StoreError,
  TimeoutError,
  WuerstchenError,
  type WuerstchenErrorOptions,
} from './errors'
export type { CachedModel } from './hub/cached'
export type { DownloadProgress } from './hub/download'
export type { HubOptions } from './hub/settings'
export { type FileOptions, type FormatOptions, formatOf, type ImageFormat } from './image/formats'
export { GeneratedImage } from './image/generated-image'
export { type ImageMetadata, readParameters } from './image/metadata'
export type { Libtorch, LibtorchSearch, LibtorchSource, RejectedPlace } from './libtorch/find'
export type { Flavour, NvidiaDriver } from './libtorch/flavours'
export type { GpuFindings } from './libtorch/gpu'
export type { InstallResult } from './libtorch/install'
export type { RuntimeProgress } from './libtorch/job'
export type { Runtime } from './libtorch/runtimes'
export type { LibraryFault } from './libtorch/soundness'
export type { CompiledMethod } from './loading/compiled'
export type { NetworkRun, ReadingRun, StageRuns, WeightsDtype } from './loading/dtypes'
export type { CudaGraphs } from './loading/recording'
export type { PipelineMemory, StageMemory } from './memory/memory'
export type { Offload } from './memory/residency'
export { type ExportOptions, exportGraphs } from './model/export'
export type { NumaNode } from './native/numa'
export type { Processor } from './native/processor'
export type { Dtype, Kernels, NativeKernels } from './native/types'
export type { ModelFolders, ModelName } from './pipeline/locate'
export type { LoraInfo, LoraOptions } from './pipeline/lora-options'
export { listModels, type PullOptions, pullModel } from './pipeline/models'
export type { LoadProgress, NetworkLoaded, PipelineOptions } from './pipeline/options'
export { WuerstchenPipeline } from './pipeline/pipeline'
export type { PipelineInfo } from './pipeline/pretrained'
export type { GenerateResult, PriorResult } from './pipeline/results'
export type { StreamEvent } from './pipeline/stream'
export type {
  DecodeOptions,
  EncodeOptions,
  GenerateOptions,
  GeneratePreview,
  GenerateProgress,
  PriorOptions,
  Prompt,
  PromptOptions,
  Seed,
} from './request/request'
export {
  type InstallRuntimeOptions,
  installRuntime,
  listRuntimes,
  type RuntimesOptions,
  removeRuntime,
} from './runtime'
export type { Stage } from './stages/stage'
export type { FloatTensor } from './tensors/float-tensor'

/** The version of this package, such as `0.1.0`. */
export const version: string = packageVersion()
export type { TextualInversionInfo, TextualInversionOptions } from './pipeline/textual-inversions'
export { parsePrompt } from './text/syntax/parse'
export { printPrompt } from './text/syntax/print'
export type {
  AlternateNode,
  BreakNode,
  LoraNode,
  PromptNode,
  PromptPart,
  PromptSyntax,
  PromptTree,
  ScheduleNode,
  Span,
  SwapNode,
  TextNode,
  WeightNode,
} from './text/syntax/tree'
export type { TruncatedPrompt, TruncatedText } from './text/truncated'
export type { LongPrompts } from './text/weights'
