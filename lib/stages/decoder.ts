import type { NativeTensor } from '../native/types'
import { DenoisingStage } from './denoise'

/** Stage B: image embeddings and text -> VQGAN latents. */
export class Decoder extends DenoisingStage {
  /**
   * Text embeddings (1, T, C) and image embeddings (1, 16, h, w) -> what every step needs of them for latents of
   * `latentHeight` x `latentWidth`: one map per level and direction, then one entry per attention block.
   */
  condition(
    text: NativeTensor,
    imageEmbeddings: NativeTensor,
    size: { readonly latentHeight: number; readonly latentWidth: number },
  ): Promise<NativeTensor[]> {
    const inputs = [text, imageEmbeddings, size.latentHeight, size.latentWidth]
    return this.device.run(this.graph, 'condition', inputs)
  }
}
