/** What the model reads of a request's prompts: once when it arrives, once more when the model has changed before its turn. */

import type { GivenAsEmbeddings } from '../embeddings/prompt-embeddings'
import { InvalidArgumentError, show } from '../errors'
import type { FloatTensor } from '../tensors/float-tensor'
import { type TruncatedPrompt, truncationWarning } from '../text/truncated'
import type { Noise, NoiseStream } from './noise'
import type { Prompt } from './options'
import type { Named } from './prompts'
import type { TextReaders } from './sources'
import { PromptReader, type Reading, type ReadPrompt, type Stretch, scalesOf } from './texts'

interface LoraScale {
  readonly name: string
  readonly scale: number
}

/** What readings of prompts depend on. */
export interface ReadingModel {
  readonly tokenizers: TextReaders
  /** The LoRAs at work, for prompts that name them. */
  readonly loras?: (() => readonly LoraScale[]) | undefined
  /** The words that were learnt. */
  readonly words?: (() => readonly string[]) | undefined
  /** Whether LoRAs or words are to change before a request that arrives now. */
  readonly changing?: (() => boolean) | undefined
}

/** What a picture that is made again was made with. */
export interface Replayed {
  readonly loras: readonly LoraScale[]
  readonly textualInversions: readonly string[]
}

export interface Contents {
  readonly prompts: readonly Named[]
  readonly negatives: readonly Named[]
  readonly perPrompt: number
  readonly noise: Noise
  readonly inputs?: readonly FloatTensor[]
  readonly replayed?: Replayed | undefined
  /** Prompts whose text stands for embeddings that are not there, such as `prompt` or `embeddings[1].facts.prompt`. */
  readonly textOfEmbeddings?: readonly string[] | undefined
  /** What the caller asked for in vain, in sentences. */
  readonly withoutEffect?: readonly string[] | undefined
}

export interface ImageRequest {
  readonly index: number
  /** For the picture's metadata. */
  readonly prompt: string
  readonly negativePrompt: string
  /** Which of both were given as embeddings. */
  readonly promptEmbeddings?: GivenAsEmbeddings | undefined
  /** The learnt words in both. */
  readonly words: readonly string[]
  /** Keys of entries of `prompts`; the negative one is there only if a stage is guided. */
  readonly promptKey: string
  readonly negativeKey: string
  /** What the prior reads, where that changes from step to step; the keys above are the last ones then. */
  readonly stretches?: readonly Stretch[] | undefined
  /** Its stream's. */
  readonly seed: number
  /** Index into `streams`, and the row of it that is this image's. */
  readonly noiseStream: number
  readonly noiseRow: number
  /** What a request without Stage C starts from. */
  readonly embeddings: FloatTensor | null
}

/** The part of a request that depends on the model's words and LoRAs. */
export interface ReadContents {
  /** Prompt by prompt, each as often as `numImagesPerPrompt`. */
  readonly images: readonly ImageRequest[]
  /** Every prompt that some image needs, once; negative ones only if a stage is guided. */
  readonly prompts: readonly ReadPrompt[]
  /** Text that no text encoder reads. */
  readonly truncated: readonly TruncatedPrompt[]
  /** What the caller may want to know, in sentences. */
  readonly warnings: readonly string[]
  /** LoRAs that are not off. */
  readonly loras: readonly LoraScale[]
}

/** @param settled whether words and LoRAs are those that the request will meet. */
export function readContents(
  contents: Contents,
  guided: boolean,
  reading: Omit<Reading, 'loras'>,
  model: ReadingModel,
  settled: boolean,
): ReadContents {
  const loaded = model.loras?.() ?? []
  const reader = new PromptReader(model.tokenizers, { ...reading, loras: settled ? scalesOf(loaded) : null })
  const images = imagesOf(contents, guided, reader)
  const loras = loaded.filter(({ scale }) => scale !== 0)
  const { replayed, textOfEmbeddings = [], withoutEffect = [] } = contents
  const unread = textOfEmbeddings.map(
    (name) =>
      `The ${name} was made of prompt embeddings, which are not there: its text is read instead, and may make another picture.`,
  )
  const others =
    replayed && settled ? checkReplayed(replayed, { loras, images, words: model.words?.() ?? [] }) : []
  return {
    images: frozenList(images),
    prompts: Object.freeze([...reader.used.values()]),
    truncated: frozenList(reader.truncated),
    warnings: Object.freeze([
      ...reader.truncated.map(truncationWarning),
      ...others,
      ...unread,
      ...withoutEffect,
    ]),
    loras: frozenList(loras.map(({ name, scale }) => ({ name, scale }))),
  }
}

function imagesOf(contents: Contents, guided: boolean, reader: PromptReader): readonly ImageRequest[] {
  const { prompts, negatives, perPrompt, noise, inputs } = contents
  return noise.places.map(({ noiseStream, noiseRow }, index) => {
    const place = Math.floor(index / perPrompt)
    const [prompt, negative] = [prompts[place] as Named, negatives[place] as Named]
    const { stretches, words } = reader.pair(prompt, guided ? negative : null)
    const { promptKey, negativeKey } = stretches.at(-1) as Stretch
    return {
      index,
      prompt: textOf(prompt.prompt),
      negativePrompt: textOf(negative.prompt),
      ...givenAs(prompt.prompt, negative.prompt),
      words: Object.freeze(words),
      promptKey,
      negativeKey,
      ...(stretches.length > 1 && { stretches: Object.freeze(stretches) }),
      seed: (noise.streams[noiseStream] as NoiseStream).seed,
      noiseStream,
      noiseRow,
      embeddings: inputs?.[place] ?? null,
    }
  })
}

function givenAs(prompt: Prompt, negative: Prompt): Pick<ImageRequest, 'promptEmbeddings'> {
  const [one, other] = [typeof prompt !== 'string', typeof negative !== 'string']
  if (!one && !other) return {}
  return { promptEmbeddings: one && other ? 'both' : one ? 'prompt' : 'negativePrompt' }
}

/** Those of both names whose prompt was given as embeddings, and of which nobody gives another one. */
export function namesGiven(
  given: GivenAsEmbeddings | undefined,
  instead: { readonly prompt?: unknown; readonly negativePrompt?: unknown } = {},
): readonly ('prompt' | 'negativePrompt')[] {
  const names = (['prompt', 'negativePrompt'] as const).filter((name) => given === name || given === 'both')
  return names.filter((name) => instead[name] === undefined)
}

function textOf(prompt: Prompt): string {
  return typeof prompt === 'string' ? prompt : prompt.text
}

interface Loaded extends Pick<ReadContents, 'loras' | 'images'> {
  readonly words: readonly string[]
}

/** Refuses what a picture was made with and is not there; says what is there and was not. */
function checkReplayed(
  { loras, textualInversions }: Replayed,
  { loras: loaded, words, images }: Loaded,
): readonly string[] {
  const scales = scalesOf(loaded)
  const missing = [
    ...loras.flatMap(({ name, scale }) => {
      const now = scales.get(name)
      if (now === scale) return []
      const found = now === undefined ? '' : `, which is at ${now}`
      return [`the LoRA ${show(name)} at scale ${scale}${found}`]
    }),
    ...textualInversions.filter((word) => !words.includes(word)).map((word) => `the word ${show(word)}`),
  ]
  if (missing.length > 0) {
    throw new InvalidArgumentError(
      `Expected what the picture was made with to be loaded but there is not: ${missing.join('; ')}. Load it, or leave loras and textualInversions out of the parameters.`,
      { details: { name: 'prompt', missing } },
    )
  }
  const used = [...new Set(images.flatMap((image) => image.words))]
  return [
    ...loaded
      .filter(({ name }) => !loras.some((lora) => lora.name === name))
      .map(({ name }) => `the LoRA ${show(name)}`),
    ...used.filter((word) => !textualInversions.includes(word)).map((word) => `the word ${show(word)}`),
  ].map((what) => `The picture was made without ${what}, which is loaded.`)
}

export function frozenList<T extends object>(items: readonly T[]): readonly T[] {
  return Object.freeze(items.map((item) => Object.freeze(item)))
}
