import type { FormatOptions, GeneratedImage, GenerateOptions, WuerstchenPipeline } from '../index'

/** `providerOptions.wuerstchen` of a call: options of `generate()` that the AI SDK has no name for, and the format. */
export interface WuerstchenImageOptions
  extends Omit<
    GenerateOptions,
    'signal' | 'onProgress' | 'onPreview' | 'previewEvery' | 'numImagesPerPrompt' | 'seed' | 'negativePrompt'
  > {
  readonly negativePrompt?: string
  /** Defaults to png, which carries prompt and settings. */
  readonly outputFormat?: 'png' | 'jpeg' | 'webp'
  /** 1 to 100, of jpeg and webp. */
  readonly outputQuality?: number
}

/** What the AI SDK passes: `ImageModelV3CallOptions`, written out so that its packages need not be installed. */
interface CallOptions {
  readonly prompt: string | undefined
  readonly n: number
  readonly size: `${number}x${number}` | undefined
  readonly aspectRatio: `${number}:${number}` | undefined
  readonly seed: number | undefined
  readonly files: readonly unknown[] | undefined
  readonly mask: unknown
  readonly providerOptions: Readonly<Record<string, object>>
  readonly abortSignal?: AbortSignal | undefined
}

type Warning =
  | { type: 'unsupported'; feature: string; details?: string }
  | { type: 'compatibility'; feature: string; details?: string }
  | { type: 'other'; message: string }

/** Facts of one picture, in `providerMetadata.wuerstchen.images`. */
type PictureFacts = { seed: number; width: number; height: number; mediaType: string; totalMs: number }

/** Fewer would keep pictures of one call out of one batch; more than this a request cannot have. */
const MOST_IMAGES = 64

/** `ImageModelV3` of the AI SDK, which version 7 takes as well. */
export class WuerstchenImageModel {
  readonly specificationVersion = 'v3'
  readonly provider = 'wuerstchen'
  readonly maxImagesPerCall = MOST_IMAGES

  constructor(private readonly pipeline: Pick<WuerstchenPipeline, 'info' | 'generate'>) {}

  get modelId(): string {
    return this.pipeline.info.model
  }

  /** @throws what `WuerstchenPipeline#generate()` throws; rejects with the signal's reason when it aborts. */
  async doGenerate(call: CallOptions) {
    const { outputFormat = 'png', outputQuality, ...options } = optionsOf(call)
    const { images, timings, warnings } = await this.pipeline.generate(call.prompt ?? '', {
      ...this.sizeOf(call),
      ...options,
      numImagesPerPrompt: call.n,
      seed: call.seed,
      signal: call.abortSignal,
    })
    const encoded = await Promise.all(images.map((image) => encode(image, outputFormat, outputQuality)))
    const facts = images.map(({ seed, width, height }, index): PictureFacts => {
      const totalMs = timings[index]?.totalMs ?? 0
      return { seed, width, height, mediaType: `image/${outputFormat}`, totalMs }
    })
    return {
      images: encoded,
      warnings: [...unsupported(call), ...warnings.map((message): Warning => ({ type: 'other', message }))],
      providerMetadata: { wuerstchen: { images: facts } },
      response: { timestamp: new Date(), modelId: this.modelId, headers: undefined },
    }
  }

  /** A size as it is; a ratio as a size of as many pixels as the model was trained for. */
  private sizeOf({ size, aspectRatio }: CallOptions): { width?: number; height?: number } {
    const [wide, high] = numbersOf(size, 'x')
    if (wide !== undefined && high !== undefined) return { width: wide, height: high }
    const [across, down] = numbersOf(aspectRatio, ':')
    if (across === undefined || down === undefined) return {}
    const { width, height } = this.pipeline.info.defaultSize
    const pixels = width * height
    return {
      width: toGrid(Math.sqrt((pixels * across) / down)),
      height: toGrid(Math.sqrt((pixels * down) / across)),
    }
  }
}

const GRID = 64 // pixels

function toGrid(pixels: number): number {
  return Math.min(4096, Math.max(GRID, GRID * Math.round(pixels / GRID)))
}

function numbersOf(text: string | undefined, between: string): number[] {
  return text?.split(between).map(Number) ?? []
}

function optionsOf({ providerOptions }: CallOptions): WuerstchenImageOptions {
  return (providerOptions.wuerstchen ?? {}) as WuerstchenImageOptions
}

function unsupported({ files, mask, size, aspectRatio }: CallOptions): Warning[] {
  const warnings: Warning[] = []
  const details = 'Pictures are made of text only.'
  if (files !== undefined && files.length > 0)
    warnings.push({ type: 'unsupported', feature: 'files', details })
  if (mask !== undefined) warnings.push({ type: 'unsupported', feature: 'mask', details })
  if (size !== undefined && aspectRatio !== undefined)
    warnings.push({ type: 'unsupported', feature: 'aspectRatio', details: 'The size says it already.' })
  return warnings
}

function encode(
  image: GeneratedImage,
  format: 'png' | 'jpeg' | 'webp',
  quality: number | undefined,
): Promise<Uint8Array> {
  const options: FormatOptions['jpeg'] = format === 'png' || quality === undefined ? {} : { quality }
  return image.toBuffer(format, options)
}
