import type { GeneratedImage } from '../index'
import type { PictureFormat } from './backend'

export function mediaTypeOf(format: PictureFormat): string {
  return `image/${format}`
}

/** The bytes of a picture. A PNG's quality is that of its pixels: there is nothing to choose. */
export function encode(
  image: GeneratedImage,
  format: PictureFormat,
  quality: number | null,
): Promise<Buffer> {
  const options = quality === null ? {} : { quality }
  if (format === 'jpeg') return image.toBuffer('jpeg', options)
  if (format === 'webp') return image.toBuffer('webp', options)
  return image.toBuffer('png')
}
