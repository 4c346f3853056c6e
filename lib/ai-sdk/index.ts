/**
 * The door of `wuerstchen/ai-sdk`: an image model for Vercel's AI SDK (`ai` 6 and 7), in this process.
 *
 * ```ts
 * const wuerstchen = createWuerstchen({ pipeline: await WuerstchenPipeline.fromPretrained() })
 * const { image } = await generateImage({ model: wuerstchen.imageModel(), prompt: 'a red circle', seed: 7 })
 * ```
 */
import type { WuerstchenPipeline } from '../index'
import { WuerstchenImageModel } from './image-model'

export { WuerstchenImageModel, type WuerstchenImageOptions } from './image-model'

export interface WuerstchenProviderOptions {
  /** Makes the pictures. Whoever made it disposes it. */
  readonly pipeline: Pick<WuerstchenPipeline, 'info' | 'generate'>
}

/** A provider as the AI SDK's registries take it; image models are all it has. */
export interface WuerstchenProvider {
  readonly specificationVersion: 'v3'
  /** @param id the pipeline's model, which is the default. */
  imageModel(id?: string): WuerstchenImageModel
  languageModel(id: string): never
  embeddingModel(id: string): never
}

/**
 * A provider whose image model is the pipeline.
 * @throws the AI SDK's `NoSuchModelError`, from its methods, for another model's id and for other kinds of models.
 */
export function createWuerstchen({ pipeline }: WuerstchenProviderOptions): WuerstchenProvider {
  const { model } = pipeline.info
  return {
    specificationVersion: 'v3',
    imageModel(id = model) {
      if (id !== model)
        throw noSuchModel(id, 'imageModel', `Expected the model '${model}' but received '${id}'`)
      return new WuerstchenImageModel(pipeline)
    },
    languageModel(id) {
      throw noSuchModel(id, 'languageModel', 'Expected an image model: wuerstchen has no language models')
    },
    embeddingModel(id) {
      throw noSuchModel(id, 'embeddingModel', 'Expected an image model: wuerstchen has no embedding models')
    },
  }
}

const MARKERS = ['vercel.ai.error', 'vercel.ai.error.AI_NoSuchModelError'].map((name) => Symbol.for(name))

/** What `NoSuchModelError.isInstance()` of the AI SDK knows by its markers: so the SDK need not be installed twice. */
function noSuchModel(modelId: string, modelType: string, message: string): Error {
  const error = Object.assign(new Error(message), { modelId, modelType })
  error.name = 'AI_NoSuchModelError'
  for (const marker of MARKERS) Object.defineProperty(error, marker, { value: true })
  return error
}
