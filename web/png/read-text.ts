import type { ImageMetadata } from '../api/types'

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const KEYWORD = 'wuerstchen'
/** Of a chunk, beside its body: length, type, CRC. */
const CHUNK_BYTES = 12
/** After the keyword: a null, compression flag and method, then two empty texts that end with a null. */
const TEXT_HEAD_BYTES = 5

/** The settings that a PNG of ours carries; null for any other picture or file. */
export function readMetadata(png: Uint8Array): ImageMetadata | null {
  const text = textOf(png, KEYWORD)
  if (text === null) return null
  try {
    const value: unknown = JSON.parse(text)
    return isMetadata(value) ? value : null
  } catch {
    return null
  }
}

/** The text of an uncompressed iTXt chunk, as `wuerstchen` writes it; null where there is none. PNG specification, 11.3.3.4. */
export function textOf(png: Uint8Array, keyword: string): string | null {
  if (!SIGNATURE.every((byte, index) => png[index] === byte)) return null
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength)
  for (let at = SIGNATURE.length; at + CHUNK_BYTES <= png.length; ) {
    const length = view.getUint32(at)
    const body = png.subarray(at + 8, at + 8 + length)
    if (body.length < length) return null // cut short
    const type = latin1(png.subarray(at + 4, at + 8))
    if (type === 'iTXt' && startsWith(body, keyword)) return plainText(body, keyword.length)
    if (type === 'IEND') return null
    at += CHUNK_BYTES + length
  }
  return null
}

function startsWith(body: Uint8Array, keyword: string): boolean {
  return latin1(body.subarray(0, keyword.length)) === keyword && body[keyword.length] === 0
}

/** What another program rewrote, compressed or with a language, is not ours any more. */
function plainText(body: Uint8Array, keywordLength: number): string | null {
  const start = keywordLength + TEXT_HEAD_BYTES
  if (body.length < start || body.subarray(keywordLength, start).some((byte) => byte !== 0)) return null
  return new TextDecoder().decode(body.subarray(start))
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

/** A dropped file may hold anything: what the page shows and sends is checked. */
function isMetadata(value: unknown): value is ImageMetadata {
  if (typeof value !== 'object' || value === null) return false
  const fields = value as Record<string, unknown>
  const texts = ['prompt', 'negativePrompt', 'model', 'dtype'].map((name) => typeof fields[name] === 'string')
  const numbers = ['seed', 'image', 'images', 'width', 'height', 'decoderGuidanceScale'].map((name) =>
    Number.isFinite(fields[name]),
  )
  const { priorTimesteps, priorGuidanceScale, decoderTimesteps } = fields
  const prior = priorTimesteps === null || isSchedule(priorTimesteps)
  const guidance = priorGuidanceScale === null || Number.isFinite(priorGuidanceScale)
  const { promptSyntax, longPrompts, loras, textualInversions } = fields
  const reading =
    [undefined, 'compel', 'a1111'].includes(promptSyntax as string) &&
    [undefined, 'chunk'].includes(longPrompts as string)
  const learnt = [
    loras === undefined || isListOf(loras, isLora),
    textualInversions === undefined || isListOf(textualInversions, isText),
  ]
  return [...texts, ...numbers, prior, guidance, reading, ...learnt, isSchedule(decoderTimesteps)].every(
    Boolean,
  )
}

function isListOf(value: unknown, is: (entry: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(is)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isLora(value: unknown): boolean {
  const { name, scale } = (value ?? {}) as Record<string, unknown>
  return isText(name) && Number.isFinite(scale)
}

function isSchedule(value: unknown): boolean {
  return Array.isArray(value) && value.length >= 2 && value.every(Number.isFinite)
}
