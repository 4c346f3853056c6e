import { Tokenizer as Library } from '@huggingface/tokenizers'
import { show } from '../errors'
import { invalid, isObject, type JsonObject } from '../files/json'
import { type ClipFiles, END, readClipFiles } from './clip-files'
import { Words } from './words'

/** What a text encoder reads at once: start, text, end, then padding; `length` ids. */
export interface Tokens {
  readonly ids: Int32Array
  /** 1 for the tokens of the text (start and end included), 0 for padding. */
  readonly mask: Int32Array
  /** The end of the text that did not fit, from the first character that is not read as a whole; or null. */
  readonly truncated: string | null
}

/** Where a text of many tokens may be cut after a token, the best first. */
type Break = 'sentence' | 'phrase' | 'word'

export interface Tokenizer {
  /** Ids per text, padding included: 77 in v2. */
  readonly length: number
  /** Start, as much of the text as fits, end and padding. */
  tokenize(text: string): Tokens
  /** The ids of a text alone, at least the first `most` of them. */
  read(text: string, most?: number): readonly number[]
  /** Start, these ids and end, with padding; there are at most `length - 2`. */
  frame(ids: readonly number[]): Tokens
  /** What is left of a text after its first tokens: from the first character that is not wholly in them. */
  textAfter(text: string, tokens: number): string
  /** How many of these ids can be read without those that follow: all, but for the beginning of a learnt word. */
  fitting(ids: readonly number[]): number
  /** What ends after this token; null within a word, be it one that was learnt. */
  endsAt(id: number): Break | null
  /** The learnt words that these ids are of. */
  wordsIn(ids: readonly number[]): readonly string[]
}

/** A tokenizer that can learn words. */
export interface LearningTokenizer extends Tokenizer {
  /** From now on this text, where it stands as a word of its own, is these ids. */
  learn(word: string, ids: readonly number[]): void
  forget(word: string): void
  /**
   * Ids that no text ever becomes and no learnt word has: of bytes that UTF-8 does not have, of white space, and of capital
   * letters where all is read in small ones.
   */
  freeIds(): readonly number[]
}

interface TokenizerLimits {
  /** max_position_embeddings of the text encoder: no text is longer. */
  readonly maxPositions: number
  /** vocab_size of the text encoder: no id may reach it. */
  readonly vocabularySize: number
}

/** Reads a tokenizer's folder as transformers writes it. */
export async function loadTokenizer(folder: string, limits: TokenizerLimits): Promise<LearningTokenizer> {
  const files = await readClipFiles(folder)
  checkModel(files, limits)
  const library = open(files)
  const [start, end] = startAndEnd(library, files.file)
  const special = { start, end, pad: padId(library, files) }
  return new ClipTokenizer(library, special, suffixOf(files), textLength(files, limits))
}

interface SpecialIds {
  readonly start: number
  readonly end: number
  readonly pad: number
}

class ClipTokenizer implements LearningTokenizer {
  private words = new Words()

  constructor(
    private readonly library: Library,
    private readonly special: SpecialIds,
    /** What the vocabulary's entries for the end of a word end in. */
    private readonly suffix: string,
    readonly length: number,
  ) {}

  tokenize(text: string): Tokens {
    const room = this.length - 2
    const read = this.read(text, room + 1)
    if (read.length <= room) return this.frame(read)
    const fitting = this.fitting(read.slice(0, room))
    return { ...this.frame(read.slice(0, fitting)), truncated: this.textAfter(text, fitting) }
  }

  read(text: string, most = Number.POSITIVE_INFINITY): readonly number[] {
    const ids: number[] = []
    for (const piece of this.words.split(text)) {
      if (ids.length >= most) break
      ids.push(...(piece.ids ?? this.readPlain(piece.text, most - ids.length)))
    }
    return ids
  }

  private readPlain(text: string, most: number): readonly number[] {
    const ids: number[] = []
    let from = 0
    while (from < text.length && ids.length < most) {
      const to = chunkEnd(text, from)
      ids.push(...this.library.encode(text.slice(from, to), { add_special_tokens: false }).ids)
      from = to
    }
    return ids
  }

  frame(read: readonly number[]): Tokens {
    const { start, end, pad } = this.special
    const ids = new Int32Array(this.length).fill(pad)
    ids.set([start, ...read, end])
    const mask = new Int32Array(this.length).fill(1, 0, read.length + 2)
    return { ids, mask, truncated: null }
  }

  textAfter(text: string, tokens: number): string {
    let left = tokens
    for (const { text: piece, start, ids } of this.words.split(text)) {
      const read = ids ?? this.readPlain(piece, left + 1)
      if (read.length > left) {
        const bytes = read.slice(0, left).reduce((sum, id) => sum + this.bytesOf(id), 0)
        return text.slice(start + (ids === null ? this.characterAt(piece, bytes) : 0)).trim()
      }
      left -= read.length
    }
    return ''
  }

  learn(word: string, ids: readonly number[]): void {
    this.words = this.words.with(word, ids)
  }

  forget(word: string): void {
    this.words = this.words.without(word)
  }

  freeIds(): readonly number[] {
    const isSmall = this.library.encode('A', { add_special_tokens: false }).tokens[0]?.startsWith('a')
    const symbols = isSmall ? [...UNWRITTEN, ...CAPITALS] : UNWRITTEN
    const ids = symbols
      .flatMap((symbol) => [symbol, symbol + this.suffix])
      .map((token) => this.library.token_to_id(token))
    return ids.filter((id) => id !== undefined && !this.words.has(id)) as number[]
  }

  fitting(ids: readonly number[]): number {
    let whole = ids.length
    while (whole > 0 && this.words.endsAt(ids[whole - 1] as number) === false) whole -= 1
    return whole === 0 ? ids.length : whole // a word that never fits is read as far as it does
  }

  wordsIn(ids: readonly number[]): readonly string[] {
    return this.words.among(ids)
  }

  endsAt(id: number): Break | null {
    const ends = this.words.endsAt(id)
    if (ends !== undefined) return ends ? 'word' : null
    const token = this.library.id_to_token(id) ?? ''
    if (!token.endsWith(this.suffix)) return null
    const mark = token.slice(0, token.length - this.suffix.length)
    if (mark === '.') return 'sentence'
    return mark === ',' || mark === ';' || mark === ':' ? 'phrase' : 'word'
  }

  /** Entries of the vocabulary have one character for each byte of text. */
  private bytesOf(id: number): number {
    const token = this.library.id_to_token(id) ?? ''
    return token.endsWith(this.suffix) ? token.length - this.suffix.length : token.length
  }

  /** Where the character begins in which so many bytes of what tokens are made of are passed. */
  private characterAt(text: string, bytes: number): number {
    let passed = 0
    for (const { segment, index } of CHARACTERS.segment(text)) {
      const normal = this.library.normalizer?.normalize(segment) ?? segment
      passed += Buffer.byteLength(normal.replace(/\s/g, ''))
      if (passed > bytes) return index
    }
    return text.length
  }
}

/** CLIP's symbols for bytes: of those that UTF-8 never has, and of white space, which belongs to no token. */
const UNWRITTEN = [
  0xc0,
  0xc1,
  ...Array.from({ length: 11 }, (_, index) => 0xf5 + index),
  265,
  266,
  267,
  268,
  269,
  288,
].map((code) => String.fromCharCode(code))
const CAPITALS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('')

/** What people see as one character may be several of Unicode's. */
const CHARACTERS = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

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
  if (id === undefined) throw invalid(file, `Expected the vocabulary to have the pad token ${show(token)}`)
  return id
}

function suffixOf({ tokenizer }: ClipFiles): string {
  const suffix = (tokenizer.model as JsonObject).end_of_word_suffix
  return typeof suffix === 'string' ? suffix : ''
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
    `Expected model_max_length to be an integer from 2 to ${maxPositions} but found ${show(length)}`,
  )
}
