import type { NativeTensor } from '../native/types'
import { DenoisingStage } from './denoise'

/** Stage C: text embeddings -> image embeddings. */
export class Prior extends DenoisingStage {
  /** Text embeddings (1, T, C) -> what every step needs of them: one entry per block, (1, 2, heads, T, head_dim). */
  condition(text: NativeTensor): Promise<NativeTensor[]> {
    return this.device.run(this.graph, 'condition', [text])
  }
}
