import type { LatentSizes } from '../diffusion/sizes'
import type { Pixels } from '../tensors/pixels'

/** The requested part of what was generated; the very same bytes when that is all of it. */
export function crop(pixels: Pixels, area: LatentSizes['crop']): Uint8Array {
  const { left, top, width, height } = area
  if (width === pixels.width && height === pixels.height) return pixels.data
  const cropped = new Uint8Array(width * height * 3)
  for (let row = 0; row < height; row += 1) {
    const start = ((top + row) * pixels.width + left) * 3
    cropped.set(pixels.data.subarray(start, start + width * 3), row * width * 3)
  }
  return cropped
}
