/** What callers pass to `generate()`, `prior()` and `decode()`. */

import type { PromptEmbeddings } from '../embeddings/prompt-embeddings'
import type { GeneratedImage } from '../image/generated-image'
import type { PromptSyntax } from '../text/syntax/tree'
import type { LongPrompts } from '../text/weights'

/** One step forward of one image. */
export interface GenerateProgress {
  readonly stage: 'prior' | 'decoder' | 'vqgan'
  /** Which image of the request, from 0. */
  readonly index: number
  /** Steps done in this stage, of `steps`. */
  readonly step: number
  readonly steps: number
  /** Milliseconds until the image is there; null while a stage was never measured at its size. */
  readonly etaMs: number | null
}

/** A text, or what the text encoders made of one: see `encodePrompt()`. */
export type Prompt = string | PromptEmbeddings

/** How texts become what the model reads. */
export interface PromptOptions {
  /**
   * How prompts and negative prompts are written: `'plain'`, text without any syntax; `'compel'` with weights as `(a cat)1.3`
   * and `cat++`, `.blend()` and `.and()`; `'a1111'` with `(a cat:1.3)`, `[cat]`, `BREAK`, `[a:b:0.4]` and `[a|b]`. See
   * docs/prompts.md. Defaults to `'plain'`; in `decode()` to that of the image embeddings.
   */
  promptSyntax?: PromptSyntax | undefined
  /**
   * What becomes of text beyond the 77 tokens that the text encoders read at once: `'truncate'` leaves it out and says so
   * in `warnings`, `'chunk'` reads it in further pieces, which takes memory and time for each. Defaults to `'truncate'`.
   */
  longPrompts?: LongPrompts | undefined
}

/** A seed of the noise. */
export type Seed = number | bigint

/** What all calls understand. */
export interface CommonOptions extends PromptOptions {
  /**
   * Pixels, an integer from 64 to 4096. Sizes that the model cannot make are made a little larger and cropped; it was
   * trained for about 1024 to 1536 a side. Defaults to what the model was trained for: 1024, or 256 in the bundled one;
   * `decode()` defaults to what its image embeddings were made for.
   */
  width?: number | undefined
  /** Like `width`. */
  height?: number | undefined
  /**
   * What the picture should not show: for all prompts, or one for each. It acts where a guidance scale is above 1.
   * Defaults to `''`; in `decode()` to that of the image embeddings.
   */
  negativePrompt?: Prompt | readonly Prompt[] | undefined
  /** Pictures of each prompt, or of each image embeddings, an integer from 1 to 64; 256 in one request. Defaults to 1. */
  numImagesPerPrompt?: number | undefined
  /**
   * The same seed and request make the same pictures, in diffusers' order of drawing. A safe integer from 0, or a BigInt up
   * to 2n ** 64n - 1n. torch's generator reads the low 32 bits only: 1 and 1 + 2 ** 32 make one picture. A list, or a typed
   * array, has one seed for each picture, and each is then the picture of a request for it alone. Defaults to a random seed
   * for each picture, which it records; in `decode()` the default goes on with the generator that made the image embeddings.
   */
  seed?: Seed | ArrayLike<Seed> | undefined
  /**
   * An integer from -10 to 10: of what waits, higher ones go first, though nobody waits for ever. Defaults to 0.
   */
  priority?: number | undefined
  /**
   * Milliseconds, an integer from 1 to 86,400,000, after which a call that is not finished rejects with TimeoutError, be it
   * waiting or at work. Defaults to none.
   */
  timeoutMs?: number | undefined
  /** Stops the work within a step; the call rejects with the signal's reason. Defaults to none. */
  signal?: AbortSignal | undefined
  /** Called after every step of every picture. What it throws rejects the call. Defaults to none. */
  onProgress?: ((progress: GenerateProgress) => void) | undefined
}

/** A look at one image before it is painted. */
export interface GeneratePreview {
  /** Which image of the request, from 0. */
  readonly index: number
  /** Steps of the prior that are done, of `steps`. */
  readonly step: number
  readonly steps: number
  /** A small picture, some 8 pixels for each 42.67 of the large one. */
  readonly image: GeneratedImage
}

/** Options of `prior()`. */
export interface PriorOptions extends CommonOptions {
  /**
   * A preview of every image after every so many steps of the prior, an integer from 1 to 1000: for `onPreview`, or as events
   * of `stream()`. Only with a model that has a previewer, as the bundled one. Defaults to none.
   */
  previewEvery?: number | undefined
  /** Called with each preview, where `previewEvery` asks for any. What it throws rejects the call. Defaults to none. */
  onPreview?: ((preview: GeneratePreview) => void) | undefined
  /**
   * Evenly spaced steps of the prior, an integer from 1 to 1000. Not together with `priorTimesteps`. Defaults to the model's
   * own recommendation (8 in the bundled one), or to `DEFAULT_STAGE_C_TIMESTEPS`: 29 steps, denser where it matters.
   */
  priorNumInferenceSteps?: number | undefined
  /**
   * The prior's own schedule: 2 to 1001 numbers that fall from at most 1 to exactly 0, one more than there are steps.
   * Defaults to what `priorNumInferenceSteps` says.
   */
  priorTimesteps?: ArrayLike<number> | undefined
  /**
   * How closely the prior follows the prompt, 0 to 100. Up to 1 it is off, which halves the prior's work and ignores the
   * negative prompt. Defaults to the model's own recommendation, or 4.
   */
  priorGuidanceScale?: number | undefined
}

/** What the second half of a picture is made with. */
export interface DecoderOptions {
  /**
   * Evenly spaced steps of the decoder, an integer from 1 to 1000. Not together with `decoderTimesteps`. Defaults to the
   * model's own recommendation (4 in the bundled one), or 12.
   */
  numInferenceSteps?: number | undefined
  /** The decoder's own schedule, like `priorTimesteps`. Defaults to what `numInferenceSteps` says. */
  decoderTimesteps?: ArrayLike<number> | undefined
  /** How closely the decoder follows the prompt, 0 to 100; off up to 1. Defaults to 0. */
  decoderGuidanceScale?: number | undefined
}

/** Options of `decode()`. */
export interface DecodeOptions extends CommonOptions, DecoderOptions {
  /** For all image embeddings, or one for each. Defaults to the text that they were made of, or `''`. */
  prompt?: Prompt | readonly Prompt[] | undefined
}

/** Options of `encodePrompt()`. */
export interface EncodeOptions extends PromptOptions, Pick<CommonOptions, 'signal' | 'timeoutMs'> {}

/** Options of `generate()`. Names and meanings are those of diffusers' combined pipeline, in camelCase. */
export interface GenerateOptions extends PriorOptions, DecoderOptions {}

type Names<Options> = Readonly<Record<keyof Options, true>>

const PROMPT: Names<PromptOptions> = { promptSyntax: true, longPrompts: true }
const COMMON: Names<CommonOptions> = {
  ...PROMPT,
  width: true,
  height: true,
  negativePrompt: true,
  numImagesPerPrompt: true,
  seed: true,
  priority: true,
  timeoutMs: true,
  signal: true,
  onProgress: true,
}
const PRIOR: Names<PriorOptions> = {
  ...COMMON,
  previewEvery: true,
  onPreview: true,
  priorNumInferenceSteps: true,
  priorTimesteps: true,
  priorGuidanceScale: true,
}
const DECODER: Names<DecoderOptions> = {
  numInferenceSteps: true,
  decoderTimesteps: true,
  decoderGuidanceScale: true,
}
const DECODE: Names<DecodeOptions> = { ...COMMON, ...DECODER, prompt: true }
const GENERATE: Names<GenerateOptions> = { ...PRIOR, ...DECODER }
const ENCODE: Names<EncodeOptions> = { ...PROMPT, signal: true, timeoutMs: true }

/** The options that each call has. */
export const OPTION_NAMES = {
  generate: Object.keys(GENERATE),
  prior: Object.keys(PRIOR),
  decode: Object.keys(DECODE),
  encode: Object.keys(ENCODE),
} as const
