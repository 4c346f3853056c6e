/** A picture of ours, to be made again. What its file says is checked like options that a caller types. */

import * as check from '../checks/values'
import { expected } from '../errors'
import type { ImageMetadata } from '../image/metadata'
import { type Noise, readSeed } from './noise'
import type { GenerateOptions } from './options'
import { MOST_IMAGES } from './prompts'

/** What `readParameters()` returns, as opposed to a prompt or a list of them. */
export function isParameters(value: unknown): value is ImageMetadata {
  return typeof value === 'object' && value !== null && 'prompt' in value && 'decoderTimesteps' in value
}

/** The options that made the picture. Options of the caller win over them. */
export function optionsOf(parameters: ImageMetadata, given: GenerateOptions): GenerateOptions {
  const { priorTimesteps, priorGuidanceScale } = parameters
  if (priorTimesteps === null || priorGuidanceScale === null)
    throw expected(
      'prompt',
      'parameters of a picture that was made of a prompt, not of image embeddings,',
      null,
    )
  const { width, height, negativePrompt, decoderTimesteps, decoderGuidanceScale } = parameters
  const { promptSyntax, longPrompts } = parameters
  const own = {
    ...{ width, height, negativePrompt, priorGuidanceScale, decoderGuidanceScale },
    ...{ promptSyntax, longPrompts },
    ...(given.priorNumInferenceSteps === undefined && { priorTimesteps }),
    ...(given.numInferenceSteps === undefined && { decoderTimesteps }),
  }
  const chosen = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...own, ...Object.fromEntries(chosen) }
}

/** The picture's place in the stream that it drew its noise from; null where the caller asks for another seed or number. */
export function noiseOf(
  { seed, image, images }: ImageMetadata,
  { seed: other, numImagesPerPrompt }: GenerateOptions,
): Noise | null {
  if (other !== undefined || numImagesPerPrompt !== undefined) return null
  const rows = check.integer('prompt.images', images, { min: 1, max: MOST_IMAGES })
  const row = check.integer('prompt.image', image, { min: 0, max: rows - 1 })
  return {
    streams: [{ seed: readSeed('prompt.seed', seed), rows }],
    places: [{ noiseStream: 0, noiseRow: row }],
  }
}
