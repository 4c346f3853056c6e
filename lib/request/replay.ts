/** A picture of ours, to be made again. What its file says is checked like options that a caller types. */

import * as check from '../checks/values'
import { expected } from '../errors'
import type { ImageMetadata } from '../image/metadata'
import { type Noise, readSeed } from './noise'
import type { GenerateOptions } from './options'
import { MOST_IMAGES } from './prompts'
import type { Replayed } from './reading'

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

/** The LoRAs and words that made the picture; of a picture of an older version nothing is known of them. */
export function replayedOf({ loras, textualInversions }: ImageMetadata): Replayed {
  const list = (name: string, value: unknown) =>
    value === undefined ? [] : check.list(`prompt.${name}`, value, 'a list', { min: 0, max: MOST_ADAPTERS })
  return {
    loras: list('loras', loras).map((lora, index) => {
      const { name, scale } = (lora ?? {}) as Partial<Replayed['loras'][number]>
      const at = `prompt.loras[${index}]`
      return {
        name: check.text(`${at}.name`, name, LONGEST_NAME),
        scale: check.number(`${at}.scale`, scale, SCALE),
      }
    }),
    textualInversions: list('textualInversions', textualInversions).map((word, index) =>
      check.text(`prompt.textualInversions[${index}]`, word, LONGEST_NAME),
    ),
  }
}

const MOST_ADAPTERS = 1000
const LONGEST_NAME = 200
const SCALE = { min: -100, max: 100 }

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
