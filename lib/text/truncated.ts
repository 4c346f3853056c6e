/** What no text encoder reads of a prompt, for callers. */

import { show } from '../errors'

/** Text that a text encoder does not read. */
export interface TruncatedText {
  /** Stage C's text encoder, Stage B's, or both. */
  readonly encoders: readonly ('prior' | 'decoder')[]
  /** Tokens of a prompt that they read. */
  readonly tokens: number
  /** All of the text that they do not read, as it is written; of several parts each its own, with ` … ` between them. */
  readonly text: string
}

/** The same, and whose text it is. */
export interface TruncatedPrompt extends TruncatedText {
  /** The options that have this prompt: `prompt`, `prompt[2]`, `negativePrompt[0]`. */
  readonly names: readonly string[]
}

/** One entry where both text encoders leave out the same. */
export function truncatedTexts(
  prior: { readonly text: string | null; readonly tokens: number },
  decoder: { readonly text: string | null; readonly tokens: number },
): readonly TruncatedText[] {
  const cut = (encoders: TruncatedText['encoders'], { text, tokens }: typeof prior) =>
    text === null ? [] : [{ encoders: Object.freeze(encoders), tokens, text }]
  if (prior.text === decoder.text && prior.tokens === decoder.tokens) return cut(['prior', 'decoder'], prior)
  return [...cut(['prior'], prior), ...cut(['decoder'], decoder)]
}

const MOST_NAMES = 3

/** The same as a sentence. */
export function truncationWarning({ names, encoders, tokens, text }: TruncatedPrompt): string {
  const more = names.length - MOST_NAMES
  const shown = names.slice(0, MOST_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '')
  return encoders.length === 1
    ? `The text encoder of the ${encoders[0]} reads ${tokens} tokens of ${shown}. It does not see ${show(text)}.`
    : `The text encoders read ${tokens} tokens of ${shown}. They do not see ${show(text)}.`
}

/** What a file says about truncated texts, as far as it can be true. */
export function readTruncated(value: unknown): readonly TruncatedText[] {
  if (!Array.isArray(value) || value.length > 2) return []
  return value.flatMap((entry) => {
    const { encoders, tokens, text } = (entry ?? {}) as Record<string, unknown>
    const known = ENCODERS.filter((encoder) => Array.isArray(encoders) && encoders.includes(encoder))
    const isRead = known.length > 0 && Number.isSafeInteger(tokens) && typeof text === 'string'
    return isRead && (tokens as number) > 0
      ? [{ encoders: Object.freeze(known), tokens: tokens as number, text }]
      : []
  })
}

const ENCODERS = ['prior', 'decoder'] as const
