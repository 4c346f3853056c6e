/** What a prompt says, whatever it was written in. Positions count UTF-16 units of the source, from 0, the end not included. */

/** How a prompt is written: `plain` has no syntax at all. */
export const PROMPT_SYNTAXES = ['plain', 'compel', 'a1111'] as const
export type PromptSyntax = (typeof PROMPT_SYNTAXES)[number]

/** Where something stands in a prompt. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Words as they are. */
export interface TextNode extends Span {
  readonly type: 'text'
  readonly text: string
}

/** Children that count more or less; weights of nested ones multiply. */
export interface WeightNode extends Span {
  readonly type: 'weight'
  readonly weight: number
  readonly children: readonly PromptNode[]
}

/** compel: `cat.swap(dog)`, cross-attention control. */
export interface SwapNode extends Span {
  readonly type: 'swap'
  readonly original: readonly PromptNode[]
  readonly edited: readonly PromptNode[]
  readonly options: Readonly<Record<string, number | string>>
}

/** compel: `withLora(name, weight)`; null where no weight is written. */
export interface LoraNode extends Span {
  readonly type: 'lora'
  readonly name: string
  readonly weight: number | null
}

/** a1111: `BREAK`, what follows starts another chunk of tokens. */
export interface BreakNode extends Span {
  readonly type: 'break'
}

/** a1111: `[before:after:when]`. */
export interface ScheduleNode extends Span {
  readonly type: 'schedule'
  readonly before: readonly PromptNode[]
  readonly after: readonly PromptNode[]
  /** The last step, counted from 1, that reads `before`; or the part of all steps that do. */
  readonly when: { readonly steps: number } | { readonly fraction: number }
}

/** a1111: `[a|b]`, another one at each step. */
export interface AlternateNode extends Span {
  readonly type: 'alternate'
  readonly choices: readonly (readonly PromptNode[])[]
}

export type PromptNode =
  | TextNode
  | WeightNode
  | SwapNode
  | LoraNode
  | BreakNode
  | ScheduleNode
  | AlternateNode

/** One prompt of several that are combined, or the only one. */
export interface PromptPart extends Span {
  readonly weight: number
  readonly children: readonly PromptNode[]
}

export interface PromptTree {
  readonly syntax: PromptSyntax
  /**
   * What becomes of the parts: `one` has a single part. The embeddings of a `blend` are added by weight, after the weights were
   * divided by their sum if it is `normalized`. Those of an `and` follow one another.
   */
  readonly combine: 'one' | 'blend' | 'and'
  readonly normalized: boolean
  readonly parts: readonly PromptPart[]
  /** LoRAs beside the parts of a blend. */
  readonly loras: readonly LoraNode[]
}

/** The deepest nesting that is read. */
export const MOST_NESTED = 100
/** What one weight may be. */
export const MOST_WEIGHT = 100
