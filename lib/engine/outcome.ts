import type { GenerateProgress, ImageRequest, Request } from '../request/request'
import type { FloatTensor } from '../tensors/float-tensor'
import type { Pixels } from '../tensors/pixels'
import type { ImageTimings } from './clock'

/** What leaves the engine: a picture as large as it was generated, not yet cropped, or image embeddings. */
export interface FinishedImage {
  /** As it was read last. */
  readonly request: Request
  readonly image: ImageRequest
  /** Null where the request ends after Stage C, and then there are embeddings. */
  readonly pixels: Pixels | null
  readonly embeddings: FloatTensor | null
  readonly timings: ImageTimings
}

/** What an image would show if the prior ended now. */
export interface PreviewedImage {
  readonly request: Request
  readonly image: ImageRequest
  /** Steps of the prior that are done, of `steps`. */
  readonly step: number
  readonly steps: number
  readonly pixels: Pixels
}

/** What the engine tells whoever submitted a request. An exception thrown in one rejects that request. */
export interface RunHooks {
  /** A look at an image that is still in the prior; as often as the request says. */
  readonly onPreview?: ((preview: PreviewedImage) => void) | undefined
  readonly onProgress?: ((progress: GenerateProgress) => void) | undefined
  /** Takes each image when it is finished; the request then resolves with none, so that nothing holds them all. */
  readonly onImage?: ((image: FinishedImage) => void) | undefined
  /** Whoever deals a request out to several engines tells of its end itself. Defaults to false. */
  readonly untold?: boolean | undefined
}
