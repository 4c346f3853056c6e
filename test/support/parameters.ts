import type { ImageMetadata } from '../../lib/image/metadata'

/** What a picture was made with, but for `own`. */
export function parametersWith(own: Partial<ImageMetadata>): ImageMetadata {
  return {
    prompt: 'a red circle',
    negativePrompt: '',
    seed: 7,
    image: 1,
    images: 2,
    width: 128,
    height: 64,
    priorTimesteps: [1, 0.5, 0],
    priorGuidanceScale: 4,
    decoderTimesteps: [1, 0],
    decoderGuidanceScale: 0,
    model: 'shapes',
    dtype: 'float32',
    ...own,
  }
}
