/**
 * From what a caller passes to a request that cannot fail for a reason of the caller's: checked, defaults filled in,
 * seeded, sized and tokenised. All user errors end here.
 */

import { randomInt } from 'node:crypto'
import { DEFAULT_STAGE_C_TIMESTEPS, linearTimesteps } from './diffusion/scheduler'
import { type LatentSizes, latentSizes, type ModelGeometry } from './diffusion/sizes'
import { expected, show } from './errors'
import * as check from './request/checks'
import { checkNames } from './request/names'
import type { Tokenizer, Tokens } from './text/tokenizer'

/** One step forward of one image. */
export interface GenerateProgress {
  readonly stage: 'prior' | 'decoder' | 'vqgan'
  /** Which image of the request, from 0. */
  readonly image: number
  /** Steps done in this stage, of `steps`. */
  readonly step: number
  readonly steps: number
  /** Milliseconds until the image is there; null while a stage was never measured at its size. */
  readonly etaMs: number | null
}

/** Options of `generate()`. Names and meanings are those of diffusers' combined pipeline, in camelCase. */
export interface GenerateOptions {
  /**
   * Pixels, an integer from 64 to 4096. Sizes that the model cannot make are made a little larger and cropped; it was
   * trained for about 1024 to 1536 a side. Defaults to what the model was trained for: 1024, or 256 in the bundled one.
   */
  width?: number | undefined
  /** Like `width`. */
  height?: number | undefined
  /**
   * What the picture should not show: for all prompts, or one for each. It acts where a guidance scale is above 1.
   * Defaults to `''`.
   */
  negativePrompt?: string | readonly string[] | undefined
  /**
   * Evenly spaced steps of the prior, an integer from 1 to 1000. Not together with `priorTimesteps`. Defaults to
   * `DEFAULT_STAGE_C_TIMESTEPS` instead: 29 steps, denser where it matters.
   */
  priorNumInferenceSteps?: number | undefined
  /**
   * The prior's own schedule: 2 to 1001 numbers that fall from at most 1 to exactly 0, one more than there are steps.
   * Defaults to `DEFAULT_STAGE_C_TIMESTEPS`.
   */
  priorTimesteps?: readonly number[] | undefined
  /**
   * How closely the prior follows the prompt, 0 to 100. Up to 1 it is off, which halves the prior's work and ignores the
   * negative prompt. Defaults to the model's own recommendation, or 4.
   */
  priorGuidanceScale?: number | undefined
  /** Evenly spaced steps of the decoder, an integer from 1 to 1000. Not together with `decoderTimesteps`. Defaults to 12. */
  numInferenceSteps?: number | undefined
  /** The decoder's own schedule, like `priorTimesteps`. Defaults to 12 evenly spaced steps. */
  decoderTimesteps?: readonly number[] | undefined
  /** How closely the decoder follows the prompt, 0 to 100; off up to 1. Defaults to 0. */
  decoderGuidanceScale?: number | undefined
  /** Pictures of each prompt, an integer from 1 to 64; 256 in one request. Defaults to 1. */
  numImagesPerPrompt?: number | undefined
  /**
   * A safe integer from 0 on: the same seed and request make the same pictures, as diffusers draws several pictures from
   * one generator. A list has one seed for each picture, which is then the picture of a request for it alone. Defaults
   * to a random one, which the pictures record.
   */
  seed?: number | readonly number[] | undefined
  /** Stops the work within a step; the call rejects with the signal's reason. Defaults to none. */
  signal?: AbortSignal | undefined
  /** Called after every step of every picture. What it throws rejects the call. Defaults to none. */
  onProgress?: ((progress: GenerateProgress) => void) | undefined
}

/** What a request is checked against. */
export interface RequestModel {
  readonly geometry: ModelGeometry
  readonly defaults: { readonly priorGuidanceScale: number }
  readonly tokenizers: { readonly prior: Tokenizer; readonly decoder: Tokenizer }
}

/** One text with both tokenisations: what is encoded once, however many images use it. */
export interface PromptTokens {
  readonly text: string
  readonly prior: Tokens
  readonly decoder: Tokens
}

export interface ImageRequest {
  readonly index: number
  /** Both are the `text` of an entry of `prompts`; the negative one only if a stage is guided. */
  readonly prompt: string
  readonly negativePrompt: string
  /** Its stream's. */
  readonly seed: number
  /** Index into `streams`, and the row of it that is this image's. */
  readonly noiseStream: number
  readonly noiseRow: number
}

/** What one generator draws: `rows` images at once, as diffusers draws a batch. */
export interface NoiseStream {
  readonly seed: number
  readonly rows: number
}

export interface StageRequest {
  /** Falling, to 0: one more than there are steps. */
  readonly timesteps: readonly number[]
  readonly guidanceScale: number
  /** guidanceScale > 1, as in diffusers: the negative prompt takes part. */
  readonly guided: boolean
}

/** A checked request; frozen. */
export interface Request {
  /** Prompt by prompt, each as often as `numImagesPerPrompt`. */
  readonly images: readonly ImageRequest[]
  /** Every text that some image needs, once; negative texts only if a stage is guided. */
  readonly prompts: readonly PromptTokens[]
  readonly streams: readonly NoiseStream[]
  /** As asked for. */
  readonly width: number
  readonly height: number
  readonly sizes: LatentSizes
  readonly prior: StageRequest
  readonly decoder: StageRequest
  /** What the caller may want to know: text that no text encoder reads. */
  readonly warnings: readonly string[]
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: GenerateProgress) => void) | undefined
}

const SIDE = { min: 64, max: 4096 }
const GUIDANCE = { min: 0, max: 100 }
const MOST_CHARACTERS = 20_000
const MOST_CHARACTERS_IN_ALL = 200_000
const MOST_IMAGES_PER_PROMPT = 64
const MOST_IMAGES = 256

/** Checks a call of `generate()` and fills in what it leaves out. Throws InvalidArgumentError. */
export function parseRequest(
  prompt: string | readonly string[],
  options: GenerateOptions | undefined,
  { geometry, defaults, tokenizers }: RequestModel,
): Request {
  const given = readOptions(options)
  const { signal, onProgress, seed, numImagesPerPrompt = 1 } = given
  const { width, height } = readSize(given, geometry)
  const [prior, decoder] = [readPrior(given, defaults), readDecoder(given)]
  const prompts = readPrompts(prompt)
  const negatives = readNegatives(given.negativePrompt, prompts.length)
  checkCharacters([...prompts, ...negatives])
  const perPrompt = readImagesPerPrompt(numImagesPerPrompt, prompts.length)
  const streams = readSeeds(seed, prompts.length * perPrompt)
  if (signal !== undefined) check.abortSignal('signal', signal)
  if (onProgress !== undefined) check.callback('onProgress', onProgress)
  const guided = prior.guided || decoder.guided
  const texts = tokenize(guided ? [...prompts, ...negatives] : prompts, tokenizers)
  return Object.freeze({
    images: frozenList(imagesOf(prompts, negatives, perPrompt, streams)),
    prompts: frozenList(texts),
    streams: frozenList(streams),
    width,
    height,
    sizes: frozenSizes(latentSizes({ width, height }, geometry)),
    prior,
    decoder,
    warnings: Object.freeze(warningsOf(texts, tokenizers)),
    signal,
    onProgress,
  })
}

const NAMES: Readonly<Record<keyof GenerateOptions, true>> = {
  width: true,
  height: true,
  negativePrompt: true,
  priorNumInferenceSteps: true,
  priorTimesteps: true,
  priorGuidanceScale: true,
  numInferenceSteps: true,
  decoderTimesteps: true,
  decoderGuidanceScale: true,
  numImagesPerPrompt: true,
  seed: true,
  signal: true,
  onProgress: true,
}

/** A copy, so that each option is read once. */
function readOptions(options: GenerateOptions | undefined): GenerateOptions {
  if (options === undefined) return {}
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw expected('options', 'an object', options)
  }
  checkNames(options, Object.keys(NAMES))
  return { ...options }
}

function readSize(
  { width, height }: GenerateOptions,
  { defaultWidth, defaultHeight }: ModelGeometry,
): { width: number; height: number } {
  return {
    width: width === undefined ? defaultWidth : check.integer('width', width, SIDE),
    height: height === undefined ? defaultHeight : check.integer('height', height, SIDE),
  }
}

function readPrior(given: GenerateOptions, defaults: RequestModel['defaults']): StageRequest {
  const { priorGuidanceScale = defaults.priorGuidanceScale } = given
  return stageOf(
    readSchedule(given, 'priorNumInferenceSteps', 'priorTimesteps') ?? DEFAULT_STAGE_C_TIMESTEPS,
    check.number('priorGuidanceScale', priorGuidanceScale, GUIDANCE),
  )
}

function readDecoder(given: GenerateOptions): StageRequest {
  const { decoderGuidanceScale = 0 } = given
  return stageOf(
    readSchedule(given, 'numInferenceSteps', 'decoderTimesteps') ?? linearTimesteps(12),
    check.number('decoderGuidanceScale', decoderGuidanceScale, GUIDANCE),
  )
}

function readSchedule(
  given: GenerateOptions,
  stepsName: 'priorNumInferenceSteps' | 'numInferenceSteps',
  timestepsName: 'priorTimesteps' | 'decoderTimesteps',
): readonly number[] | undefined {
  const { [stepsName]: steps, [timestepsName]: timesteps } = given
  if (steps === undefined)
    return timesteps === undefined ? undefined : check.timesteps(timestepsName, timesteps)
  if (timesteps !== undefined) throw expected(stepsName, `left out where ${timestepsName} is given`, steps)
  return linearTimesteps(check.stepCount(stepsName, steps))
}

function stageOf(timesteps: readonly number[], guidanceScale: number): StageRequest {
  return Object.freeze({ timesteps: Object.freeze(timesteps), guidanceScale, guided: guidanceScale > 1 })
}

function readPrompts(prompt: unknown): readonly string[] {
  if (typeof prompt !== 'string' && !Array.isArray(prompt)) {
    throw expected('prompt', 'a string or a list of strings', prompt)
  }
  if (typeof prompt === 'string') return [readPrompt('prompt', prompt)]
  const prompts = check.list('prompt', prompt, 'a list of strings', { min: 1, max: MOST_IMAGES })
  return prompts.map((one, i) => readPrompt(`prompt[${i}]`, one))
}

function readPrompt(name: string, prompt: unknown): string {
  const text = check.text(name, prompt, MOST_CHARACTERS)
  if (text.trim() === '') throw expected(name, 'a text that says something', text)
  return text
}

/** One for each prompt. */
function readNegatives(negative: unknown, count: number): readonly string[] {
  if (!Array.isArray(negative)) {
    const text = negative === undefined ? '' : check.text('negativePrompt', negative, MOST_CHARACTERS)
    return Array.from({ length: count }, () => text)
  }
  const texts = check.list('negativePrompt', negative, 'a string for each prompt', { min: count, max: count })
  return texts.map((one, i) => check.text(`negativePrompt[${i}]`, one, MOST_CHARACTERS))
}

/** Each text within its limit, a long list of them would still hold up everybody else. */
function checkCharacters(texts: readonly string[]): void {
  const characters = Array.from(new Set(texts)).reduce((sum, text) => sum + text.length, 0)
  if (characters > MOST_CHARACTERS_IN_ALL) {
    throw expected('all prompts together', `at most ${MOST_CHARACTERS_IN_ALL} characters long`, characters)
  }
}

function readImagesPerPrompt(value: unknown, prompts: number): number {
  const count = check.integer('numImagesPerPrompt', value, { min: 1, max: MOST_IMAGES_PER_PROMPT })
  const all = count * prompts
  if (all > MOST_IMAGES)
    throw expected('numImagesPerPrompt times prompts', `at most ${MOST_IMAGES} images`, all)
  return count
}

const SEED = { min: 0, max: Number.MAX_SAFE_INTEGER }

/** One generator for all images, or one for each. */
function readSeeds(seed: unknown, images: number): readonly NoiseStream[] {
  if (seed === undefined) return [{ seed: randomInt(2 ** 32), rows: images }]
  if (!Array.isArray(seed)) return [{ seed: check.integer('seed', seed, SEED), rows: images }]
  const seeds = check.list('seed', seed, 'a list with a seed for each image', { min: images, max: images })
  return seeds.map((one, i) => ({ seed: check.integer(`seed[${i}]`, one, SEED), rows: 1 }))
}

function imagesOf(
  prompts: readonly string[],
  negatives: readonly string[],
  perPrompt: number,
  streams: readonly NoiseStream[],
): readonly ImageRequest[] {
  const shared = streams.length === 1
  return Array.from({ length: prompts.length * perPrompt }, (_, index) => {
    const prompt = Math.floor(index / perPrompt)
    const noiseStream = shared ? 0 : index
    return {
      index,
      prompt: prompts[prompt] as string,
      negativePrompt: negatives[prompt] as string,
      seed: (streams[noiseStream] as NoiseStream).seed,
      noiseStream,
      noiseRow: shared ? index : 0,
    }
  })
}

function tokenize(
  texts: readonly string[],
  { prior, decoder }: RequestModel['tokenizers'],
): readonly PromptTokens[] {
  return Array.from(new Set(texts), (text) => ({
    text,
    prior: Object.freeze(prior.tokenize(text)),
    decoder: Object.freeze(decoder.tokenize(text)),
  }))
}

/** Both text encoders cut the same in most models: one sentence then. */
function warningsOf(
  texts: readonly PromptTokens[],
  { prior, decoder }: RequestModel['tokenizers'],
): string[] {
  const cuts = texts.flatMap((text) => [
    { length: prior.length, truncated: text.prior.truncated },
    { length: decoder.length, truncated: text.decoder.truncated },
  ])
  const warnings = cuts
    .filter(({ truncated }) => truncated !== null)
    .map(
      ({ length, truncated }) =>
        `The model reads ${length} tokens of a prompt. It does not see ${show(truncated)}.`,
    )
  return Array.from(new Set(warnings))
}

function frozenList<T extends object>(items: readonly T[]): readonly T[] {
  return Object.freeze(items.map((item) => Object.freeze(item)))
}

function frozenSizes(sizes: LatentSizes): LatentSizes {
  return Object.freeze({ ...sizes, crop: Object.freeze(sizes.crop) })
}
