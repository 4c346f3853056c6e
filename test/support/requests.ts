/** Requests to a model of v2's sizes, with the goldens' tokenizer. */
import { join } from 'node:path'
import type { ModelGeometry } from '../../lib/diffusion/sizes'
import type { WuerstchenError } from '../../lib/errors'
import {
  type GenerateOptions,
  parseRequest,
  type Request,
  type RequestModel,
} from '../../lib/request/request'
import { loadTokenizer } from '../../lib/text/tokenizer'

const GEOMETRY: ModelGeometry = {
  resolutionMultiple: 42.67,
  latentStride: 4,
  multiple: 64,
  priorChannels: 16,
  latentChannels: 4,
  defaultWidth: 1536,
  defaultHeight: 1024,
}

export let model: RequestModel

/** For `beforeAll()`: reads the tokenizer. */
export async function readModel(): Promise<void> {
  const limits = { maxPositions: 256, vocabularySize: 794 }
  const loaded = await loadTokenizer(join(__dirname, '../goldens/tokenizer'), limits)
  const tokenizer = Object.assign(loaded, { channels: 8 })
  model = {
    geometry: GEOMETRY,
    defaults: { priorGuidanceScale: 4, priorSteps: null, decoderSteps: 12 },
    previews: true,
    tokenizers: { prior: tokenizer, decoder: tokenizer },
  }
}

export const parse = (prompt: unknown, options?: unknown): Request =>
  parseRequest(prompt as string, options as GenerateOptions, model)

export const refusal = (prompt: unknown, options?: unknown, by = model): WuerstchenError => {
  try {
    parseRequest(prompt as string, options as GenerateOptions, by)
  } catch (error) {
    return error as WuerstchenError
  }
  throw new Error('The request was accepted')
}
