/** The door of the package: what is exported here is its public interface. */
import { packageVersion } from './files/package-root'

export { DEFAULT_STAGE_C_TIMESTEPS, OFFICIAL_STAGE_C_TIMESTEPS } from './diffusion/scheduler'
export { ImageEmbeddings, type ImageEmbeddingsFacts, type NoiseState } from './embeddings/image-embeddings'
export { PromptEmbeddings } from './embeddings/prompt-embeddings'
export type { ImageTimings } from './engine/clock'
export type {
  PipelineStatistics,
  RequestMessage,
  StageStatistics,
  TurnMessage,
} from './engine/statistics'
export {
  DeviceError,
  DisposedError,
  ERRORS,
  type ErrorCode,
  GenerationError,
  HubError,
  InvalidArgumentError,
  LibtorchError,
  MemoryLimitError,
  ModelError,
  OutOfMemoryError,
  QueueFullError,
  TimeoutError,
  WuerstchenError,
} from './errors'
export type { CachedModel } from './hub/cached'
export type { DownloadProgress } from './hub/download'
export type { HubOptions } from './hub/settings'
export { type FileOptions, type FormatOptions, formatOf, type ImageFormat } from './image/formats'
export { GeneratedImage } from './image/generated-image'
export { type ImageMetadata, readParameters } from './image/metadata'
export type { CompiledMethod } from './loading/compiled'
export type { WeightsDtype } from './loading/dtypes'
export type { CudaGraphs } from './loading/recording'
export type { PipelineMemory, StageMemory } from './memory/memory'
export type { Offload } from './memory/residency'
export { type ExportOptions, exportGraphs } from './model/export'
export { type Diagnosis, diagnose, type Problem } from './native/diagnose'
export type { Libtorch, LibtorchSearch, LibtorchSource, RejectedPlace } from './native/libtorch'
export type { Dtype } from './native/types'
export type { ModelFolders, ModelName } from './pipeline/locate'
export type { LoraInfo, LoraOptions } from './pipeline/lora-options'
export { listModels, type PullOptions, pullModel } from './pipeline/models'
export type { LoadProgress, NetworkLoaded, PipelineOptions } from './pipeline/options'
export { type GenerateResult, type PriorResult, WuerstchenPipeline } from './pipeline/pipeline'
export type { PipelineInfo } from './pipeline/pretrained'
export type { StreamEvent } from './pipeline/stream'
export type {
  DecodeOptions,
  GenerateOptions,
  GeneratePreview,
  GenerateProgress,
  PriorOptions,
  Prompt,
  Seed,
} from './request/request'
export type { FloatTensor } from './tensors/float-tensor'

/** The version of this package, such as `0.1.0`. */
export const version: string = packageVersion()
