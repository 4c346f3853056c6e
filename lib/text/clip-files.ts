/** A CLIP tokenizer's folder, as transformers writes it, brought into the form that the tokenizer library reads. */

import { join } from 'node:path'
import { invalid, isObject, type JsonObject, readJson, readJsonIfAny, readTextIfAny } from '../files/json'
import { mistakenFor } from '../files/mistaken-file'

export interface ClipFiles {
  /** Where the tokenizer came from, for messages. */
  readonly file: string
  /** The contents of a tokenizer.json. */
  readonly tokenizer: JsonObject
  /** tokenizer_config.json, or {}. */
  readonly config: JsonObject
  /** special_tokens_map.json, or {}. */
  readonly specials: JsonObject
}

export async function readClipFiles(folder: string): Promise<ClipFiles> {
  const config = (await readJsonIfAny(join(folder, 'tokenizer_config.json'))) ?? {}
  const specials = (await readJsonIfAny(join(folder, 'special_tokens_map.json'))) ?? {}
  const file = join(folder, 'tokenizer.json')
  const tokenizer = await readJsonIfAny(file)
  if (tokenizer) return { file, tokenizer: repair(tokenizer), config, specials }
  return { ...(await readSlowFiles(folder)), config, specials }
}

/** What only vocab.json and merges.txt say: transformers' CLIPTokenizerFast builds the same around them. */
async function readSlowFiles(folder: string): Promise<Pick<ClipFiles, 'file' | 'tokenizer'>> {
  const file = join(folder, 'vocab.json')
  const mergesFile = join(folder, 'merges.txt')
  const merges = await readTextIfAny(mergesFile)
  if (merges === null)
    throw invalid(folder, 'Expected tokenizer.json, or vocab.json and merges.txt, but found neither')
  const mistaken = mistakenFor(Buffer.from(merges))
  if (mistaken !== null) throw invalid(mergesFile, `Expected pairs of tokens but it is ${mistaken}`)
  const tokenizer = clipTokenizer(await readJson(file), parseMerges(merges), file)
  return { file, tokenizer: repair(tokenizer) }
}

/** One pair a line, after a line `#version: …`. Other lines with `#` are ordinary pairs. */
function parseMerges(text: string): string[] {
  const lines = text.split(/\r?\n/)
  return lines.filter((line) => line !== '' && !line.startsWith('#version'))
}

const START = '<|startoftext|>'
export const END = '<|endoftext|>'
const WORDS = String.raw`<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`

/** CLIP's tokenizer.json around a vocabulary. */
function clipTokenizer(vocab: JsonObject, merges: readonly string[], file: string): JsonObject {
  const special = (content: string) => {
    const id = vocab[content]
    if (!Number.isInteger(id)) throw invalid(file, `Expected an entry ${content} but found none`)
    return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
  }
  const [start, end] = [special(START), special(END)]
  return {
    added_tokens: [start, end],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [END, end.id],
      cls: [START, start.id],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      unk_token: END,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab,
      merges,
    },
  }
}

/** What Rust's ByteLevel splits by; JavaScript's own \s counts U+FEFF as white space. */
const BYTE_LEVEL = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

/**
 * Three things in which the JavaScript library differs from the Rust one, spelled so that both agree:
 * - a capital sigma at the end of a word becomes ς in JavaScript, σ in Rust, which lowers each character by itself;
 * - ByteLevel's built-in pattern uses JavaScript's white space, a Split with the same pattern uses Unicode's;
 * - a text that becomes a special token only by normalising, `<|ENDOFTEXT|>`, is ordinary text in Rust.
 */
function repair(tokenizer: JsonObject): JsonObject {
  const normalizer = spelledOut(tokenizer.normalizer, 'normalizers', lowercase)
  return {
    ...tokenizer,
    normalizer: { type: 'Sequence', normalizers: [normalizer, ...specialsAsText(tokenizer.added_tokens)] },
    pre_tokenizer: spelledOut(tokenizer.pre_tokenizer, 'pretokenizers', byteLevel),
  }
}

/**
 * Puts a space, which the pre-tokenizer drops again, after what would equal a special token: a piece between the ends of
 * the text and those special tokens that do count after normalising.
 */
function specialsAsText(added: unknown): JsonObject[] {
  const tokens = (Array.isArray(added) ? added : []).filter(isObject)
  const counts = ({ normalized, special }: JsonObject) => Boolean(normalized ?? !special)
  const borders = tokens.filter(counts).map(({ content }) => escaped(String(content).toLowerCase()))
  const before = ['\\A', ...borders].join('|')
  const after = ['\\z', ...borders].join('|')
  return tokens
    .filter((token) => !counts(token))
    .map(({ content }) => {
      const text = String(content)
      const pattern = { Regex: `(?<=${before})${escaped(text)}(?=${after})` }
      return { type: 'Replace', pattern, content: `${text.replaceAll('$', '$$$$')} ` }
    })
}

function escaped(text: string): string {
  return text.replace(/[^\p{L}\p{N}]/gu, '\\$&')
}

/** Applies `spell` to each step of a pipeline, however its sequences are nested. */
function spelledOut(
  step: unknown,
  steps: string,
  spell: (step: JsonObject) => readonly JsonObject[],
): unknown {
  if (!isObject(step)) return step
  const nested = step[steps]
  if (step.type === 'Sequence' && Array.isArray(nested)) {
    return { ...step, [steps]: nested.map((one) => spelledOut(one, steps, spell)) }
  }
  const spelled = spell(step)
  return spelled.length === 1 ? step : { type: 'Sequence', [steps]: spelled }
}

function lowercase(step: JsonObject): readonly JsonObject[] {
  return step.type === 'Lowercase'
    ? [{ type: 'Replace', pattern: { String: 'Σ' }, content: 'σ' }, step]
    : [step]
}

function byteLevel(step: JsonObject): readonly JsonObject[] {
  if (step.type !== 'ByteLevel' || step.use_regex === false) return [step]
  const split = { type: 'Split', pattern: { Regex: BYTE_LEVEL }, behavior: 'Isolated', invert: false }
  return [split, { ...step, use_regex: false }]
}
