import type { NativeDevice, NativeGraph, NativeTensor } from '../native/types'

/** 8-bit RGB, row-major, three bytes a pixel. */
export interface Pixels {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
}

/** Stage A: latents -> pixels. */
export class Vqgan {
  constructor(
    private readonly device: NativeDevice,
    private readonly graph: NativeGraph,
  ) {}

  /** Latents (1, 4, H, W) -> pixels. One image at a time: here, not in the U-Net, a batch would need most memory. */
  decode(latents: NativeTensor): Promise<Pixels> {
    return this.device.decode(this.graph, latents)
  }

  dispose(): void {
    this.graph.dispose()
  }
}
