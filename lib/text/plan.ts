import type { Tokens } from './tokenizer'

/** How weights act on what a text encoder makes of tokens. */
export type Emphasis = 'compel' | 'a1111'

/** As many tokens as a text encoder reads at once, and what to make of its answer. */
export interface PlannedChunk {
  readonly tokens: Tokens
  /** One for each token; null where all are 1. */
  readonly weights: Float64Array | null
  readonly emphasis: Emphasis
  /** The answers without some tokens that are mixed in, each so often as the answer itself. */
  readonly without: readonly Masked[]
}

export interface Masked {
  /** The tokens that it reads; null for all: the words that it leaves out are in another chunk. */
  readonly mask: Int32Array | null
  readonly strength: number
}

/** What was encoded before: (1, T, C). */
export interface GivenChunk {
  readonly given: { readonly shape: readonly number[]; readonly data: Float32Array }
}

/** One prompt of a blend. */
export interface PlannedMember {
  readonly factor: number
  readonly chunks: readonly (PlannedChunk | GivenChunk)[]
}

/** What one text encoder makes of a prompt: parts that follow one another, each a sum of members. */
export interface TextPlan {
  readonly parts: readonly { readonly weight: number; readonly members: readonly PlannedMember[] }[]
  /** What fills shorter members up, and what weights are measured from: the empty text. */
  readonly empty: Tokens
  /** How many times `empty.ids.length` tokens long. */
  readonly chunks: number
  /** The text that is not read, or null. */
  readonly truncated: string | null
}

/** The same with empty chunks behind it. */
export function padded(plan: TextPlan, chunks: number): TextPlan {
  const missing = chunks - plan.chunks
  if (missing <= 0) return plan
  const filler = Array.from({ length: missing }, () => plain(plan.empty))
  const part = { weight: 1, members: [{ factor: 1, chunks: filler }] }
  return { ...plan, parts: [...plan.parts, part], chunks }
}

/** A chunk in which nothing has a weight. */
export function plain(tokens: Tokens): PlannedChunk {
  return { tokens, weights: null, emphasis: 'compel', without: [] }
}
