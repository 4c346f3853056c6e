/** Texts, or embeddings of texts, as callers pass them. */

import * as check from '../checks/values'
import { PromptEmbeddings } from '../embeddings/prompt-embeddings'
import { expected } from '../errors'
import type { Prompt } from './options'

const MOST_CHARACTERS = 20_000
const MOST_CHARACTERS_IN_ALL = 200_000
export const MOST_IMAGES = 256

/** A prompt, and how the caller would call it: `prompt[2]`. */
export interface Named {
  readonly name: string
  readonly prompt: Prompt
}

/** What is to be shown: one or more. An empty one shows anything. */
export function readPrompts(prompt: unknown): readonly Named[] {
  if (isPrompt(prompt)) return [readAny('prompt', prompt)]
  if (!Array.isArray(prompt)) throw expected('prompt', 'a string or a list of strings', prompt)
  const prompts = check.list('prompt', prompt, 'a list of strings', { min: 1, max: MOST_IMAGES })
  return prompts.map((one, i) => readAny(`prompt[${i}]`, one))
}

/** One for each of `count`: the one given, or those. */
export function readEach(
  name: string,
  value: unknown,
  count: number,
  fallback: (index: number) => Named,
): readonly Named[] {
  if (value === undefined) return Array.from({ length: count }, (_, index) => fallback(index))
  if (!Array.isArray(value)) {
    const one = readAny(name, value)
    return Array.from({ length: count }, () => one)
  }
  const values = check.list(name, value, 'a string for each prompt', { min: count, max: count })
  return values.map((one, i) => readAny(`${name}[${i}]`, one))
}

export function readAny(name: string, value: unknown): Named {
  const prompt = value instanceof PromptEmbeddings ? value : check.text(name, value, MOST_CHARACTERS)
  return { name, prompt }
}

function isPrompt(value: unknown): value is Prompt {
  return typeof value === 'string' || value instanceof PromptEmbeddings
}

/** Each text within its limit, a long list of them would still hold up everybody else. */
export function checkCharacters(prompts: readonly Named[]): void {
  const texts = new Set(prompts.map(({ prompt }) => prompt).filter((prompt) => typeof prompt === 'string'))
  const characters = Array.from(texts).reduce((sum, text) => sum + text.length, 0)
  if (characters > MOST_CHARACTERS_IN_ALL) {
    throw expected('all prompts together', `at most ${MOST_CHARACTERS_IN_ALL} characters long`, characters)
  }
}
