import { types } from 'node:util'
import type { Metadata } from 'sharp'
import { expected, WuerstchenError } from '../errors'
import { isObject, type JsonObject } from '../files/json'
import { readRegular, whyNotRead } from '../files/open'
import { packageVersion } from '../files/package-root'
import { shownPath } from '../files/shown-path'
import { loadSharp } from './sharp'

/** The parameters of a picture: enough to make it again with the same model. Plain JSON. */
export interface ImageMetadata {
  readonly prompt: string
  readonly negativePrompt: string
  /** How both are written, and whether long ones were read in pieces, where that is not the default. */
  readonly promptSyntax?: 'compel' | 'a1111' | undefined
  readonly longPrompts?: 'chunk' | undefined
  /** Which of both were given as prompt embeddings: the text alone may make another picture. */
  readonly promptEmbeddings?: 'prompt' | 'negativePrompt' | 'both' | undefined
  /** The LoRAs at work and the learnt words in both prompts, where there were any. */
  readonly loras?: readonly { readonly name: string; readonly scale: number }[] | undefined
  readonly textualInversions?: readonly string[] | undefined
  /** Of the noise stream; `image` is this picture's place among the `images` that drew from it. */
  readonly seed: number
  readonly image: number
  readonly images: number
  /** Pixels. */
  readonly width: number
  readonly height: number
  /** Null for a picture of image embeddings: they were made elsewhere. */
  readonly priorTimesteps: readonly number[] | null
  readonly priorGuidanceScale: number | null
  readonly decoderTimesteps: readonly number[]
  readonly decoderGuidanceScale: number
  /** Name of the model's folder. */
  readonly model: string
  readonly dtype: string
}

const KEYWORD = 'wuerstchen'

/** The text fields of a PNG: two that picture viewers show, and ours with everything. */
export function textFields(metadata: ImageMetadata): Record<string, string> {
  return {
    Description: metadata.prompt,
    Software: `wuerstchen ${packageVersion()}`,
    [KEYWORD]: JSON.stringify(metadata),
  }
}

const isText = (value: unknown) => typeof value === 'string'
const isNumber = (value: unknown) => Number.isFinite(value)
const isTimes = (value: unknown) => Array.isArray(value) && value.every(isNumber)
const orNull = (check: (value: unknown) => boolean) => (value: unknown) => value === null || check(value)

const orAbsent = (check: (value: unknown) => boolean) => (value: unknown) =>
  value === undefined || check(value)

const MOST_ADAPTERS = 1000
const LONGEST_NAME = 200
const isName = (value: unknown) => typeof value === 'string' && value.length <= LONGEST_NAME
const isListOf = (check: (value: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.length <= MOST_ADAPTERS && value.every(check)
const isLora = (value: unknown) => isObject(value) && isName(value.name) && isNumber(value.scale)

const CHECKS: Readonly<Record<keyof ImageMetadata, (value: unknown) => boolean>> = {
  prompt: isText,
  negativePrompt: isText,
  promptSyntax: orAbsent((value) => value === 'compel' || value === 'a1111'),
  longPrompts: orAbsent((value) => value === 'chunk'),
  promptEmbeddings: orAbsent((value) => value === 'prompt' || value === 'negativePrompt' || value === 'both'),
  loras: orAbsent(isListOf(isLora)),
  textualInversions: orAbsent(isListOf(isName)),
  seed: isNumber,
  image: isNumber,
  images: isNumber,
  width: isNumber,
  height: isNumber,
  priorTimesteps: orNull(isTimes),
  priorGuidanceScale: orNull(isNumber),
  decoderTimesteps: isTimes,
  decoderGuidanceScale: isNumber,
  model: isText,
  dtype: isText,
}

/** Anybody may have written the text. */
function metadataOf(text: string): ImageMetadata | null {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    return null
  }
  const fields = Object.entries(CHECKS)
  if (!isObject(read) || !fields.every(([name, check]) => check((read as JsonObject)[name]))) return null
  // Nothing else that stands there.
  const known = fields.flatMap(([name]) => (read[name] === undefined ? [] : [[name, read[name]]]))
  const { loras, ...metadata } = Object.fromEntries(known) as ImageMetadata
  return { ...metadata, ...(loras && { loras: loras.map(({ name, scale }) => ({ name, scale })) }) }
}

/**
 * What `toFile` or `toBuffer` wrote into a PNG, or null for a picture without it, or with fields of other types.
 * @param png a file's path or its bytes.
 * @throws InvalidArgumentError for anything else; WuerstchenError (FILE_NOT_READ) for a file that is not there or no picture,
 * (SHARP_FAILED) where sharp cannot be loaded.
 */
export async function readParameters(png: string | Uint8Array): Promise<ImageMetadata | null> {
  if (!types.isUint8Array(png) && (typeof png !== 'string' || png === ''))
    throw expected('png', 'the path of a PNG or its bytes', png)
  const { comments = [] } = await pictureOf(png)
  const text = comments.find(({ keyword }) => keyword === KEYWORD)?.text
  return text === undefined ? null : metadataOf(text)
}

async function pictureOf(png: string | Uint8Array): Promise<Metadata> {
  const sharp = loadSharp()
  try {
    // sharp's own reading does not tell a file that is not there from one that nobody may read.
    return await sharp(typeof png === 'string' ? await readRegular(png) : png).metadata()
  } catch (cause) {
    const [name, details] =
      typeof png === 'string' ? [shownPath(png), { file: png }] : ['png', { name: 'png' }]
    const message = `Expected ${name} to be a picture that can be read but ${whyNotRead(cause)}`
    throw new WuerstchenError('FILE_NOT_READ', message, { cause, details })
  }
}
