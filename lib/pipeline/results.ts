import { ImageEmbeddings } from '../embeddings/image-embeddings'
import type { ImageTimings } from '../engine/clock'
import type { FinishedImage, PreviewedImage, RunHooks } from '../engine/outcome'
import { bug } from '../errors'
import { crop } from '../image/crop'
import { GeneratedImage } from '../image/generated-image'
import type { ImageMetadata } from '../image/metadata'
import type { GeneratePreview, ImageRequest, Request } from '../request/request'
import type { TruncatedPrompt } from '../text/truncated'
import type { PipelineInfo } from './pretrained'
import type { EventQueue } from './stream'

/** What `generate()` resolves with. All lists have one entry per image, in the request's order. */
export interface GenerateResult {
  readonly images: GeneratedImage[]
  /** The seed that each image's noise was drawn from; where one seed was given for several images, that one for each. */
  readonly seeds: number[]
  /** Milliseconds that each image took, by stage. */
  readonly timings: ImageTimings[]
  /** What was done differently from what was asked, such as a prompt that was cut. */
  readonly warnings: readonly string[]
  /** All text that the text encoders do not read, prompt by prompt. */
  readonly truncated: readonly TruncatedPrompt[]
}

/** What `prior()` resolves with. All lists have one entry per image, in the request's order. */
export interface PriorResult {
  readonly embeddings: ImageEmbeddings[]
  /** The seed that each image's noise was drawn from; where one seed was given for several images, that one for each. */
  readonly seeds: number[]
  /** Milliseconds that each image took, by stage. */
  readonly timings: ImageTimings[]
  /** What was done differently from what was asked, such as a prompt that was cut. */
  readonly warnings: readonly string[]
  /** All text that the text encoders do not read, prompt by prompt. */
  readonly truncated: readonly TruncatedPrompt[]
}

/** What the engine made, as callers get it: pictures, embeddings, previews and events that know what made them. */
export class Results {
  constructor(private readonly info: Pick<PipelineInfo, 'model' | 'dtype'>) {}

  /** What a request's callbacks are told. */
  telling(request: Request): RunHooks {
    const { onProgress, onPreview } = request
    return {
      onProgress,
      onPreview: onPreview && ((seen) => onPreview(this.preview(seen))),
    }
  }

  /** The same, and all of it as events. */
  streaming(request: Request, events: EventQueue): RunHooks {
    return {
      onPreview: (seen) => {
        const preview = this.preview(seen)
        events.push({ type: 'preview', ...preview })
        return request.onPreview?.(preview)
      },
      onProgress: (progress) => {
        events.push({ type: 'step', ...progress })
        return request.onProgress?.(progress)
      },
      onImage: (finished) => {
        const { image, timings } = finished
        events.push({ type: 'image', index: image.index, image: this.picture(finished), timings })
      },
    }
  }

  pictures(request: Request, finished: readonly FinishedImage[]): GenerateResult {
    return { images: finished.map((one) => this.picture(one)), ...factsOf(request, finished) }
  }

  embeddings(request: Request, finished: readonly FinishedImage[]): PriorResult {
    return { embeddings: finished.map((one) => this.imagined(one)), ...factsOf(request, finished) }
  }

  /** What a prior made, with all that `decode()` needs of its request. */
  private imagined({ request, image, embeddings }: FinishedImage): ImageEmbeddings {
    if (embeddings === null) throw bug('Expected image embeddings after the prior but there are none.')
    const { width, height, streams, prior, reading } = request
    const { noiseRow: row, seed, prompt, negativePrompt, promptEmbeddings } = image
    const { rows = 1 } = streams[image.noiseStream] ?? {}
    // The noise to start from, then one for each step.
    const draws = prior.timesteps.length
    const shape = embeddings.shape.slice(1) as unknown as readonly [number, number, number]
    const noise = { seed, rows, row, draws, shape }
    return new ImageEmbeddings(embeddings, {
      width,
      height,
      prompt,
      negativePrompt,
      ...(reading.syntax !== 'plain' && { promptSyntax: reading.syntax }),
      ...(reading.longPrompts === 'chunk' && { longPrompts: reading.longPrompts }),
      ...(promptEmbeddings && { promptEmbeddings }),
      model: this.info.model,
      noise,
    })
  }

  /** All of the prior's grid: a little more than the picture where its size is no multiple of 42.67. */
  private preview({ request, image, step, steps, pixels }: PreviewedImage): GeneratePreview {
    const { data, width, height } = pixels
    const shown = new GeneratedImage(data, width, height, this.metadata(request, image))
    return { index: image.index, step, steps, image: shown }
  }

  /** A picture with the parameters that make it again. */
  private picture({ request, image, pixels }: FinishedImage): GeneratedImage {
    if (pixels === null) throw bug('Expected pixels after the vqgan but there are none.')
    const { width, height, sizes } = request
    return new GeneratedImage(crop(pixels, sizes.crop), width, height, this.metadata(request, image))
  }

  private metadata(request: Request, image: ImageRequest): ImageMetadata {
    const { width, height, decoder, reading } = request
    const prior = request.part === 'decode' ? null : request.prior
    return {
      prompt: image.prompt,
      negativePrompt: image.negativePrompt,
      ...(reading.syntax !== 'plain' && { promptSyntax: reading.syntax }),
      ...(reading.longPrompts === 'chunk' && { longPrompts: reading.longPrompts }),
      ...(image.promptEmbeddings && { promptEmbeddings: image.promptEmbeddings }),
      ...(request.loras.length > 0 && { loras: request.loras }),
      ...(image.words.length > 0 && { textualInversions: image.words }),
      seed: image.seed,
      image: image.noiseRow,
      images: request.streams[image.noiseStream]?.rows ?? 1,
      width,
      height,
      priorTimesteps: prior?.timesteps ?? null,
      priorGuidanceScale: prior?.guidanceScale ?? null,
      decoderTimesteps: decoder.timesteps,
      decoderGuidanceScale: decoder.guidanceScale,
      model: this.info.model,
      dtype: this.info.dtype,
    }
  }
}

/** What the result of any call says beside what was made. */
function factsOf(request: Request, finished: readonly FinishedImage[]) {
  const { warnings, truncated } = finished[0]?.request ?? request
  return {
    seeds: finished.map(({ image }) => image.seed),
    timings: finished.map(({ timings }) => timings),
    warnings,
    truncated,
  }
}
