/**
 * From what a caller passes to a request that cannot fail for a reason of the caller's: checked, defaults filled in,
 * seeded, sized and tokenised. All user errors end here.
 */

import { checkNames } from '../checks/names'
import * as check from '../checks/values'
import { type LatentSizes, latentSizes, type ModelGeometry } from '../diffusion/sizes'
import type { ImageEmbeddingsFacts } from '../embeddings/image-embeddings'
import { expected } from '../errors'
import type { ImageMetadata } from '../image/metadata'
import type { FloatTensor } from '../tensors/float-tensor'
import { type Input, readEmbeddings, readSize, sizeOf } from './inputs'
import { continued, type Noise, type NoiseStream, readImagesPerPrompt, readSeeds } from './noise'
import {
  type DecodeOptions,
  type EncodeOptions,
  type GenerateOptions,
  type GeneratePreview,
  type GenerateProgress,
  OPTION_NAMES,
  type PriorOptions,
  type Prompt,
  type PromptOptions,
} from './options'
import { checkCharacters, type Named, readAny, readEach, readPrompts } from './prompts'
import {
  type Contents,
  frozenList,
  type ImageRequest,
  namesGiven,
  type ReadContents,
  type ReadingModel,
  readContents,
} from './reading'
import { isParameters, noiseOf, optionsOf, replayedOf } from './replay'
import { type RequestDefaults, readDecoder, readPrior, type StageRequest } from './schedules'
import { PromptReader, type Reading, type ReadPrompt, readReading, scalesOf } from './texts'
import { withoutEffect } from './without-effect'

export type { NoiseStream } from './noise'
export type {
  DecodeOptions,
  EncodeOptions,
  GenerateOptions,
  GeneratePreview,
  GenerateProgress,
  PriorOptions,
  Prompt,
  PromptOptions,
  Seed,
} from './options'
export type { ImageRequest } from './reading'
export type { StageRequest } from './schedules'
export type { ReadPrompt, Stretch, TextSource } from './texts'

/** What a request is checked against. */
export interface RequestModel extends ReadingModel {
  readonly geometry: ModelGeometry
  readonly defaults: RequestDefaults
  /** Whether it has a previewer. */
  readonly previews: boolean
}

/** A checked request; frozen. */
export interface Request extends ReadContents {
  /** Which part of the way its images go: all of it, to the image embeddings, or from there. */
  readonly part: 'generate' | 'prior' | 'decode'
  /** Its prompts as the model's words and LoRAs have them now: they may have changed since it was made. */
  readonly reread?: ((settled: boolean) => ReadContents) | undefined
  /** How they were written. */
  readonly reading: Pick<Reading, 'syntax' | 'longPrompts'>
  readonly streams: readonly NoiseStream[]
  /** As asked for. */
  readonly width: number
  readonly height: number
  readonly sizes: LatentSizes
  readonly prior: StageRequest
  readonly decoder: StageRequest
  /** Steps of the prior from one preview to the next; 0 for none. */
  readonly previewEvery: number
  readonly priority: number
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: GenerateProgress) => void) | undefined
  readonly onPreview: ((preview: GeneratePreview) => void) | undefined
}

const PRIORITY = { min: -10, max: 10 }
const PREVIEW_EVERY = { min: 1, max: 1000 }
const TIMEOUT_MS = { min: 1, max: 86_400_000 }

/** Checks a call of `generate()` and fills in what it leaves out. Throws InvalidArgumentError. */
export function parseRequest(
  prompt: Prompt | readonly Prompt[] | ImageMetadata,
  options: GenerateOptions | undefined,
  model: RequestModel,
): Request {
  const given = readOptions<GenerateOptions>('generate', options)
  if (!isParameters(prompt)) return fromText('generate', prompt, given, model)
  const noise = noiseOf(prompt, given) ?? undefined
  const textOfEmbeddings = namesGiven(prompt.promptEmbeddings, { negativePrompt: given.negativePrompt })
  const replay = { noise, replayed: replayedOf(prompt), textOfEmbeddings }
  return fromText('generate', prompt.prompt, optionsOf(prompt, given), model, replay)
}

/** The same for `prior()`. */
export function parsePriorRequest(
  prompt: Prompt | readonly Prompt[],
  options: PriorOptions | undefined,
  model: RequestModel,
): Request {
  return fromText('prior', prompt, readOptions<PriorOptions>('prior', options), model)
}

function fromText(
  part: 'generate' | 'prior',
  prompt: Prompt | readonly Prompt[],
  given: GenerateOptions,
  model: RequestModel,
  replay: { readonly noise?: Noise | undefined } & Pick<Contents, 'replayed' | 'textOfEmbeddings'> = {},
): Request {
  const { geometry, defaults } = model
  const { width, height } = readSize(given, { width: geometry.defaultWidth, height: geometry.defaultHeight })
  const [prior, decoder] = [readPrior(given, defaults), readDecoder(given, defaults)]
  const prompts = readPrompts(prompt)
  const negatives = readEach('negativePrompt', given.negativePrompt, prompts.length, () => EMPTY)
  checkCharacters([...prompts, ...negatives])
  const perPrompt = readImagesPerPrompt(given.numImagesPerPrompt ?? 1, prompts.length)
  const { noise = readSeeds(given.seed, prompts.length * perPrompt), ...others } = replay
  const sizes = latentSizes({ width, height }, geometry)
  const stages = { width, height, sizes, prior, decoder }
  return assemble(part, stages, { prompts, negatives, perPrompt, noise, ...others }, given, model)
}

/** Checks a call of `decode()`: one or more image embeddings of one shape. */
export function parseDecodeRequest(
  embeddings: FloatTensor | readonly FloatTensor[],
  options: DecodeOptions | undefined,
  model: RequestModel,
): Request {
  const given = readOptions<DecodeOptions>('decode', options)
  const inputs = readEmbeddings(embeddings, model.geometry)
  const [first] = inputs as [Input, ...Input[]]
  const { width, height } = readSize(given, sizeOf(first, model.geometry))
  const facts = inputs.map((input) => input.facts)
  const at = (index: number) => (Array.isArray(embeddings) ? `embeddings[${index}]` : 'embeddings')
  const fact = (name: 'prompt' | 'negativePrompt') => (index: number) =>
    readAny(`${at(index)}.facts.${name}`, facts[index]?.[name] ?? '')
  const prompts = readEach('prompt', given.prompt, inputs.length, fact('prompt'))
  const negatives = readEach('negativePrompt', given.negativePrompt, inputs.length, fact('negativePrompt'))
  checkCharacters([...prompts, ...negatives])
  const perPrompt = readImagesPerPrompt(given.numImagesPerPrompt ?? 1, inputs.length)
  const states = facts.flatMap(({ noise }) => noise ?? [])
  const goesOn = given.seed === undefined && perPrompt === 1 && states.length === inputs.length
  const noise = goesOn ? continued(states) : readSeeds(given.seed, inputs.length * perPrompt)
  const [, , priorHeight, priorWidth] = first.shape
  const sizes = { ...latentSizes({ width, height }, model.geometry), priorWidth, priorHeight }
  const [prior, decoder] = [readPrior({}, model.defaults), readDecoder(given, model.defaults)]
  const stages = { width, height, sizes, prior, decoder }
  const read = {
    ...given,
    promptSyntax: given.promptSyntax ?? agreed('promptSyntax', facts, 'plain'),
    longPrompts: given.longPrompts ?? agreed('longPrompts', facts, 'truncate'),
  }
  const textOfEmbeddings = facts.flatMap(({ promptEmbeddings }, index) =>
    namesGiven(promptEmbeddings, given).map((name) => `${at(index)}.facts.${name}`),
  )
  const contents = { prompts, negatives, perPrompt, noise, inputs, textOfEmbeddings }
  return assemble('decode', stages, contents, read, model)
}

/** How all of these were read; prompts of one call are read in one way. */
function agreed<Name extends 'promptSyntax' | 'longPrompts', Fallback>(
  name: Name,
  facts: readonly ImageEmbeddingsFacts[],
  fallback: Fallback,
): NonNullable<ImageEmbeddingsFacts[Name]> | Fallback {
  const [first, other] = [...new Set(facts.map((one) => one[name] ?? fallback))]
  if (other === undefined) return first ?? fallback
  throw expected(name, 'given where image embeddings in one call were made with different ones', undefined)
}

/**
 * Checks a prompt that is to be encoded and nothing more.
 * @param settled as for `readContents()`.
 */
export function readPrompt(
  prompt: string,
  options: PromptOptions,
  { tokenizers, loras }: RequestModel,
  settled = true,
): ReadPrompt {
  if (typeof prompt !== 'string') throw expected('prompt', 'a string', prompt)
  const reading = { ...readReading(options), steps: 0, loras: settled ? scalesOf(loras?.() ?? []) : null }
  return new PromptReader(tokenizers, reading).single(readAny('prompt', prompt))
}

/** The same request with its prompts read again; what it drew and decided stays. */
export function reread(request: Request, settled: boolean): Request {
  if (request.reread === undefined) return request
  const read = request.reread(settled)
  // It may be a part of a request, with some of its images.
  const images = request.images.map(({ index }) => read.images[index] as ImageRequest)
  return Object.freeze({ ...request, ...read, images: Object.freeze(images) })
}

/** A copy, so that each option is read once. */
function readOptions<Options extends object>(
  part: keyof typeof OPTION_NAMES,
  options: Options | undefined,
): Options {
  if (options === undefined) return {} as Options
  checkNames(options, OPTION_NAMES[part])
  return { ...options }
}

interface Stages {
  readonly width: number
  readonly height: number
  readonly sizes: LatentSizes
  readonly prior: StageRequest
  readonly decoder: StageRequest
}

const EMPTY: Named = { name: 'negativePrompt', prompt: '' }

function assemble(
  part: Request['part'],
  stages: Stages,
  contents: Contents,
  options: PriorOptions,
  model: RequestModel,
): Request {
  const { priority = 0, timeoutMs, signal, onProgress, previewEvery, onPreview } = options
  check.integer('priority', priority, PRIORITY)
  checkDeadline({ timeoutMs, signal })
  if (onProgress !== undefined) check.callback('onProgress', onProgress)
  if (onPreview !== undefined) check.callback('onPreview', onPreview)
  if (previewEvery !== undefined) {
    if (!model.previews) throw expected('previewEvery', 'none, as this model has no previewer', previewEvery)
    check.integer('previewEvery', previewEvery, PREVIEW_EVERY)
  }
  const { prior, decoder } = stages
  const guided = (part !== 'decode' && prior.guided) || (part !== 'prior' && decoder.guided)
  // Where there is no prior the prompt stands as after the default schedule's last step.
  const reading = { ...readReading(options), steps: prior.timesteps.length - 1 }
  const prompts = [...contents.prompts, ...contents.negatives]
  const idle = withoutEffect({ part, options, guided, syntax: reading.syntax, prompts })
  const told = { ...contents, withoutEffect: idle }
  const read = (settled: boolean) => readContents(told, guided, reading, model, settled)
  return Object.freeze({
    part,
    ...stages,
    sizes: frozenSizes(stages.sizes),
    ...read(!(model.changing?.() ?? false)),
    reread: Object.freeze(read),
    reading: Object.freeze({ syntax: reading.syntax, longPrompts: reading.longPrompts }),
    streams: frozenList(contents.noise.streams),
    priority,
    timeoutMs,
    signal,
    onProgress,
    previewEvery: previewEvery ?? 0,
    onPreview,
  })
}

function checkDeadline({ timeoutMs, signal }: EncodeOptions): void {
  if (timeoutMs !== undefined) check.integer('timeoutMs', timeoutMs, TIMEOUT_MS)
  if (signal !== undefined) check.abortSignal('signal', signal)
}

/** The options of `encodePrompt()`, checked. */
export function parseEncodeOptions(options: EncodeOptions | undefined): EncodeOptions {
  const given = readOptions<EncodeOptions>('encode', options)
  checkDeadline(given)
  return given
}

function frozenSizes(sizes: LatentSizes): LatentSizes {
  return Object.freeze({ ...sizes, crop: Object.freeze(sizes.crop) })
}
