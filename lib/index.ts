/** The door of the package: what is exported here is its public interface. */
export { DEFAULT_STAGE_C_TIMESTEPS, OFFICIAL_STAGE_C_TIMESTEPS } from './diffusion/scheduler'
export { type Diagnosis, diagnose, type Problem } from './doctor'
export type { FloatTensor } from './embeddings/float-tensor'
export { ImageEmbeddings, type ImageEmbeddingsFacts, type NoiseState } from './embeddings/image-embeddings'
export { PromptEmbeddings } from './embeddings/prompt-embeddings'
export type { CompiledMethod } from './engine/compiled'
export type { WeightsDtype } from './engine/dtypes'
export type { ImageTimings } from './engine/job'
export type { PipelineMemory, StageMemory } from './engine/memory'
export type { CudaGraphs } from './engine/recording'
export type { Offload } from './engine/residency'
export type {
  PipelineStatistics,
  RequestMessage,
  StageStatistics,
  TurnMessage,
} from './engine/statistics'
export {
  DeviceError,
  DisposedError,
  DownloadError,
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
export {
  type FormatOptions,
  formatOf,
  GeneratedImage,
  type ImageFormat,
} from './image/generated-image'
export { type ImageMetadata, readParameters } from './image/metadata'
export type { Libtorch, LibtorchSearch, LibtorchSource, RejectedPlace } from './libtorch/find'
export type { ModelFolders } from './locate'
export type { LoraInfo, LoraOptions } from './lora-options'
export { type ExportOptions, exportGraphs } from './model/export'
export { listModels, type PullOptions, pullModel } from './models'
export type { Dtype } from './native/types'
export { type GenerateResult, type PriorResult, WuerstchenPipeline } from './pipeline'
export type { LoadProgress, NetworkLoaded, PipelineOptions } from './pipeline-options'
export type { PipelineInfo } from './pretrained'
export type {
  DecodeOptions,
  GenerateOptions,
  GeneratePreview,
  GenerateProgress,
  PriorOptions,
  Prompt,
} from './request'
export type { StreamEvent } from './stream'
