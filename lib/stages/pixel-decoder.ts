import type { NativeDevice, NativeGraph, NativeTensor } from '../native/types'
import type { Pixels } from '../tensors/pixels'

/** What ends in pixels: Stage A, latents (1, 4, H, W); the previewer, image embeddings (1, 16, h, w). */
export class PixelDecoder {
  constructor(
    private readonly device: NativeDevice,
    private readonly graph: NativeGraph,
  ) {}

  /** One image at a time: here, not in the U-Net, a batch would need most memory. */
  decode(tensor: NativeTensor): Promise<Pixels> {
    return this.device.decode(this.graph, tensor)
  }

  dispose(): void {
    this.graph.dispose()
  }
}
