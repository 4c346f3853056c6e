import { Tokenizer as Library } from '@huggingface/tokenizers'
import { show } from '../errors'
import { invalid, isObject } from '../files/json'
import { type ClipFiles, END, readClipFiles } from './clip-files'

/** One text for one text encoder. */
export interface Tokens {
  /** Start, text, end, then padding: `length` ids. */
  readonly ids: Int32Array
  /** 1 for the tokens of the text (start and end included), 0 for padding. */
  readonly mask: Int32Array
  /** The end of the text that did not fit, in part as the tokenizer reads it (lower case), or null. */
  readonly truncated: string | null
}

export interface Tokenizer {
  /** Ids per text, padding included: 77 in v2. */
  readonly length: number
  tokenize(text: string): Tokens
}

export interface TokenizerLimits {
  /** max_position_embeddings of the text encoder: no text is longer. */
  readonly maxPositions: number
  /** vocab_size of the text encoder: no id may reach it. */
  readonly vocabularySize: number
}

/** Reads a tokenizer's folder as transformers writes it. */
export async function loadTokenizer(folder: string, limits: TokenizerLimits): Promise<Tokenizer> {
  const files = await readClipFiles(folder)
  checkModel(files, limits)
  const library = open(files)
  const [start, end] = startAndEnd(library, files.file)
  return new ClipTokenizer(library, { start, end, pad: padId(library, files) }, textLength(files, limits))
}

interface SpecialIds {
  readonly start: number
  readonly end: number
  readonly pad: number
}

class ClipTokenizer implements Tokenizer {
  constructor(
    private readonly library: Library,
    private readonly special: SpecialIds,
    readonly length: number,
  ) {}

  tokenize(text: string): Tokens {
    const { start, end, pad } = this.special
    const room = this.length - 2
    const [read, rest] = this.read(text, room)
    const kept = [start, ...read.slice(0, room), end]
    const ids = new Int32Array(this.length).fill(pad)
    ids.set(kept)
    const mask = new Int32Array(this.length).fill(1, 0, kept.length)
    return { ids, mask, truncated: read.length > room ? this.decode(read.slice(room)) + rest : null }
  }

  /** The ids of the text until there are more than fit, and the text after them, which nobody will read. */
  private read(text: string, room: number): [ids: number[], rest: string] {
    const ids: number[] = []
    let from = 0
    while (from < text.length && ids.length <= room) {
      const to = chunkEnd(text, from)
      ids.push(...this.library.encode(text.slice(from, to), { add_special_tokens: false }).ids)
      from = to
    }
    return [ids, text.slice(from)]
  }

  private decode(ids: number[]): string {
    return this.library.decode(ids).trim()
  }
}

const CHUNK = 256
const LONGEST_WORD = 2048

/**
 * Where a piece of the text may end without a change of its tokens: before white space. A hostile text may have none;
 * what counts of it is far from the cut then, and the JavaScript thread is not to be held up.
 */
function chunkEnd(text: string, from: number): number {
  if (text.length - from <= CHUNK) return text.length
  const space = text.slice(from + CHUNK, from + LONGEST_WORD).search(/[ \n]/)
  if (space !== -1) return from + CHUNK + space
  const end = Math.min(from + LONGEST_WORD, text.length)
  const splitsPair = end < text.length && (text.codePointAt(end - 1) as number) > 0xffff
  return splitsPair ? end - 1 : end
}

/** The library trusts its input; these are the mistakes that would make it hang or return ids out of range. */
function checkModel({ tokenizer, file }: ClipFiles, { vocabularySize }: TokenizerLimits): void {
  const { model, added_tokens: added } = tokenizer
  if (!isObject(model) || model.type !== 'BPE' || !isObject(model.vocab) || !Array.isArray(model.merges)) {
    throw invalid(file, "Expected model to be a BPE with vocab and merges, as CLIP's is")
  }
  if (
    !Array.isArray(added) ||
    !added.every((token) => isObject(token) && typeof token.content === 'string')
  ) {
    throw invalid(file, 'Expected added_tokens to be a list of tokens')
  }
  if (!model.merges.every(isMerge)) throw invalid(file, 'Expected merges to be pairs of text')
  for (const id of [...Object.values(model.vocab), ...added.map((token) => token.id)]) {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= vocabularySize) {
      throw invalid(file, `Expected every id to be below vocab_size ${vocabularySize} but found ${show(id)}`)
    }
  }
}

function isMerge(merge: unknown): boolean {
  return Array.isArray(merge) ? merge.every((part) => typeof part === 'string') : typeof merge === 'string'
}

function open({ tokenizer, config, file }: ClipFiles): Library {
  try {
    return new Library(tokenizer, config)
  } catch (cause) {
    throw invalid(file, `Expected a CLIP tokenizer but ${(cause as Error).message}`, cause)
  }
}

/** The two ids that the tokenizer itself puts around a text. */
function startAndEnd(library: Library, file: string): [number, number] {
  const [start, end, ...others] = library.encode('').ids
  if (start === undefined || end === undefined || others.length > 0) {
    throw invalid(file, 'Expected post_processor to put one token before a text and one after it')
  }
  return [start, end]
}

function padId(library: Library, { config, specials, file }: ClipFiles): number {
  const token = content(config.pad_token) ?? content(specials.pad_token) ?? END
  const id = library.token_to_id(token)
  if (id === undefined) throw invalid(file, `Expected the vocabulary to have the pad token ${token}`)
  return id
}

/** A special token is written as its text, or as an object with its text. */
function content(token: unknown): string | undefined {
  const text = isObject(token) ? token.content : token
  return typeof text === 'string' ? text : undefined
}

/** model_max_length where the folder says one (transformers writes 1e30 for none). */
function textLength({ config, file }: ClipFiles, { maxPositions }: TokenizerLimits): number {
  const stated = config.model_max_length
  const length = typeof stated === 'number' && stated <= 1e6 ? stated : maxPositions
  if (Number.isInteger(length) && length >= 2 && length <= maxPositions) return length
  throw invalid(
    file,
    `Expected model_max_length to be an integer from 2 to ${maxPositions} but found ${length}`,
  )
}
