import type { NativeDevice, NativeGraph, NativeTensor } from '../native/types'
import type { Pixels } from './vqgan'

/** Image embeddings -> a small picture of what they will show, without Stage B and A. */
export class Previewer {
  constructor(
    private readonly device: NativeDevice,
    private readonly graph: NativeGraph,
  ) {}

  /** Image embeddings (1, 16, h, w) -> pixels, a few for each cell. */
  decode(embeddings: NativeTensor): Promise<Pixels> {
    return this.device.decode(this.graph, embeddings)
  }

  dispose(): void {
    this.graph.dispose()
  }
}
