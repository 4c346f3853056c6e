/** Texts, or embeddings of texts, and what the text encoders are to read of them. */

import * as check from '../checks/values'
import { PromptEmbeddings } from '../embeddings/prompt-embeddings'
import { expected, show } from '../errors'
import { checkTensor, type FloatTensor } from '../tensors/float-tensor'
import type { Tokenizer, Tokens } from '../text/tokenizer'
import type { Prompt } from './options'

/** A text encoder's tokenizer, and the size of what it makes of each token. */
export interface TextReader extends Tokenizer {
  readonly channels: number
}

export interface TextReaders {
  readonly prior: TextReader
  readonly decoder: TextReader
}

/** One prompt for both text encoders: tokens, or what an encoder made of some. */
export interface ReadPrompt {
  /** Equal prompts of a request have one key. */
  readonly key: string
  readonly text: string
  readonly prior: Tokens | FloatTensor
  readonly decoder: Tokens | FloatTensor
}

const MOST_CHARACTERS = 20_000
const MOST_CHARACTERS_IN_ALL = 200_000
export const MOST_IMAGES = 256

/** What is to be shown: one or more, none of them empty. */
export function readPrompts(prompt: unknown): readonly Prompt[] {
  if (isPrompt(prompt)) return [readPrompt('prompt', prompt)]
  if (!Array.isArray(prompt)) throw expected('prompt', 'a string or a list of strings', prompt)
  const prompts = check.list('prompt', prompt, 'a list of strings', { min: 1, max: MOST_IMAGES })
  return prompts.map((one, i) => readPrompt(`prompt[${i}]`, one))
}

function readPrompt(name: string, prompt: unknown): Prompt {
  const read = readAny(name, prompt)
  if (typeof read === 'string' && read.trim() === '') throw expected(name, 'a text that says something', read)
  return read
}

/** One for each of `count`: the one given, or those. */
export function readEach(name: string, value: unknown, count: number, fallback: (index: number) => string) {
  if (value === undefined) return Array.from({ length: count }, (_, index) => fallback(index))
  if (!Array.isArray(value)) {
    const one = readAny(name, value)
    return Array.from({ length: count }, () => one)
  }
  const values = check.list(name, value, 'a string for each prompt', { min: count, max: count })
  return values.map((one, i) => readAny(`${name}[${i}]`, one))
}

function readAny(name: string, value: unknown): Prompt {
  return value instanceof PromptEmbeddings ? value : check.text(name, value, MOST_CHARACTERS)
}

function isPrompt(value: unknown): value is Prompt {
  return typeof value === 'string' || value instanceof PromptEmbeddings
}

/** Each text within its limit, a long list of them would still hold up everybody else. */
export function checkCharacters(prompts: readonly Prompt[]): void {
  const texts = new Set(prompts.filter((prompt) => typeof prompt === 'string'))
  const characters = Array.from(texts).reduce((sum, text) => sum + text.length, 0)
  if (characters > MOST_CHARACTERS_IN_ALL) {
    throw expected('all prompts together', `at most ${MOST_CHARACTERS_IN_ALL} characters long`, characters)
  }
}

/** Each prompt once, tokenised or checked against what the model's text encoders make. */
export function readAll(prompts: readonly Prompt[], readers: TextReaders): ReadonlyMap<Prompt, ReadPrompt> {
  const distinct = Array.from(new Set(prompts))
  return new Map(distinct.map((prompt, index) => [prompt, Object.freeze(read(prompt, index, readers))]))
}

function read(prompt: Prompt, index: number, { prior, decoder }: TextReaders): ReadPrompt {
  // The first letter keeps a text from being taken for embeddings.
  if (typeof prompt === 'string') {
    return {
      key: `t${prompt}`,
      text: prompt,
      prior: Object.freeze(prior.tokenize(prompt)),
      decoder: Object.freeze(decoder.tokenize(prompt)),
    }
  }
  return {
    key: `e${index}`,
    text: prompt.text,
    prior: embedded('prior', prompt.prior, prior),
    decoder: embedded('decoder', prompt.decoder, decoder),
  }
}

/** A copy: what the caller does with its own later changes no request. */
function embedded(name: string, tensor: FloatTensor, { length, channels }: TextReader): FloatTensor {
  const { shape, data } = checkTensor(`the prompt embeddings' ${name}`, tensor, [1, length, channels])
  return Object.freeze({ shape: Object.freeze(shape), data: data.slice() })
}

/** Both text encoders cut the same in most models: one sentence then. */
export function warningsOf(prompts: Iterable<ReadPrompt>, { prior, decoder }: TextReaders): string[] {
  const warnings = Array.from(prompts).flatMap((prompt) => [
    ...warningOf(prompt.prior, prior.length),
    ...warningOf(prompt.decoder, decoder.length),
  ])
  return Array.from(new Set(warnings))
}

function warningOf(source: Tokens | FloatTensor, length: number): string[] {
  if (!('truncated' in source) || source.truncated === null) return []
  return [`The model reads ${length} tokens of a prompt. It does not see ${show(source.truncated)}.`]
}
