import type { Dtype, NativeDevice, WeightBinding } from '../native/types'
import type { Decoder } from '../stages/decoder'
import type { PixelDecoder } from '../stages/pixel-decoder'
import type { Prior } from '../stages/prior'
import type { TextEncoder } from '../stages/text-encoder'
import type { Memory } from './memory'
import type { Offload } from './residency'

/** By network, then by the name of the weight. */
export type Kept = Readonly<Partial<Record<string, ReadonlyMap<string, WeightBinding>>>>

/** A loaded checkpoint on one device: every stage, and the numbers between them. */
export interface Model {
  readonly device: NativeDevice
  readonly priorTextEncoder: TextEncoder
  readonly prior: Prior
  readonly decoderTextEncoder: TextEncoder
  readonly decoder: Decoder
  readonly vqgan: PixelDecoder
  /** Null for a model that has none. */
  readonly previewer: PixelDecoder | null
  /** What noise is drawn in and latents are rounded to. */
  readonly rounding: Dtype
  /** image embeddings = prior latents * latentMean - latentStd */
  readonly latentMean: number
  readonly latentStd: number
  readonly priorChannels: number
  readonly latentChannels: number
  readonly offload: Offload
  readonly memory: Memory
  /** Whether steps are recorded, once for each shape of a batch. */
  readonly records: boolean
  /** Of networks whose converted weights are kept: where they lie, by name. A LoRA's absence is the file again. */
  readonly kept: Kept
}

/** Frees the weights, lets the device finish what it has and ends its thread. */
export async function closeModel(model: Model): Promise<void> {
  const { device, priorTextEncoder, prior, decoderTextEncoder, decoder, vqgan, previewer } = model
  for (const stage of [priorTextEncoder, prior, decoderTextEncoder, decoder, vqgan, previewer])
    stage?.dispose()
  await device.close()
}
