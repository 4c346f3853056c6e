/** What the text encoders are to read of prompts. */

import type { PromptEmbeddings } from '../embeddings/prompt-embeddings'
import { expected, InvalidArgumentError, PromptSyntaxError } from '../errors'
import {
  changesOf,
  fragmentsOf,
  type LoraScales,
  refuseSchedules,
  refuseUndoable,
  type Moment as TextMoment,
  tooManyChanges,
} from '../text/fragments'
import type { TextPlan } from '../text/plan'
import { checkSyntax, parsePrompt } from '../text/syntax/parse'
import type { PromptSyntax, PromptTree } from '../text/syntax/tree'
import { type TruncatedPrompt, type TruncatedText, truncatedTexts } from '../text/truncated'
import { type LongPrompts, planText } from '../text/weights'
import type { Prompt, PromptOptions } from './options'
import type { Named } from './prompts'
import {
  chunksIn,
  contentOf,
  copied,
  idsIn,
  lengthened,
  simple,
  type TextReaders,
  type TextSource,
  truncatedIn,
} from './sources'

export type { TextReader, TextReaders, TextSource } from './sources'

/** One prompt for both text encoders. */
export interface ReadPrompt {
  /** Equal prompts of a request have one key. */
  readonly key: string
  readonly text: string
  readonly prior: TextSource
  readonly decoder: TextSource
  /** What the text encoders do not read of it. */
  readonly truncated: readonly TruncatedText[]
  /** The learnt words in it. */
  readonly words: readonly string[]
}

/** Which prompts the prior reads from a step on, counted from 0. */
export interface Stretch {
  readonly from: number
  readonly promptKey: string
  readonly negativeKey: string
}

/** How texts are to be read. */
export interface Reading {
  readonly syntax: PromptSyntax
  readonly longPrompts: LongPrompts
  /** Steps of the prior; 0 where there are none: then no prompt may change between them. */
  readonly steps: number
  /** Null while it is not known which there will be. */
  readonly loras: LoraScales | null
}

/** More prompts than this in turn: what each makes is kept until the last step. */
const MOST_STRETCHES = 64

export function readReading({
  promptSyntax = 'plain',
  longPrompts = 'truncate',
}: PromptOptions): Pick<Reading, 'syntax' | 'longPrompts'> {
  const syntax = checkSyntax('promptSyntax', promptSyntax)
  const modes: readonly unknown[] = ['truncate', 'chunk']
  if (!modes.includes(longPrompts)) throw expected('longPrompts', "'truncate' or 'chunk'", longPrompts)
  return { syntax, longPrompts }
}

/** A prompt from a step on. */
interface Moment {
  readonly from: number
  readonly read: ReadPrompt
}

/** Who has a prompt, and what it is. */
interface Known {
  readonly moments: readonly Moment[]
  readonly names: Set<string>
}

/** Reads each prompt of a request once. */
export class PromptReader {
  /** What images read, with its padding, by key. */
  readonly used = new Map<string, ReadPrompt>()
  private readonly known = new Map<Prompt, Known>()

  constructor(
    private readonly readers: TextReaders,
    private readonly reading: Reading,
  ) {}

  /** Of one image: what it is to show, and what not, null without guidance; as long as one another. */
  pair(prompt: Named, negative: Named | null): { stretches: readonly Stretch[]; words: readonly string[] } {
    const [shown, hidden] = [this.moments(prompt), negative === null ? [] : this.moments(negative)]
    const all = [...shown, ...hidden].map(({ read }) => read)
    const longest = {
      prior: Math.max(...all.map(({ prior }) => chunksIn(prior, this.readers.prior))),
      decoder: Math.max(...all.map(({ decoder }) => chunksIn(decoder, this.readers.decoder))),
    }
    const froms = [...new Set([...shown, ...hidden].map(({ from }) => from))].sort((a, b) => a - b)
    const at = (moments: readonly Moment[], step: number) => moments.filter(({ from }) => from <= step).at(-1)
    const key = (moment: Moment | undefined) => (moment === undefined ? '' : this.use(moment.read, longest))
    const stretches = froms.map((from) => {
      return { from, promptKey: key(at(shown, from)), negativeKey: key(at(hidden, from)) }
    })
    return { stretches, words: [...new Set(all.flatMap(({ words }) => words))] }
  }

  /** One prompt that no image reads. */
  single(prompt: Named): ReadPrompt {
    return (this.moments(prompt)[0] as Moment).read
  }

  /** Text that no text encoder reads. */
  get truncated(): readonly TruncatedPrompt[] {
    return [...this.known.values()].flatMap(({ moments, names }) => {
      const texts = moments.flatMap(({ read }) => read.truncated)
      const distinct = new Map(texts.map((one) => [JSON.stringify(one), one]))
      return [...distinct.values()].map((one) => ({ names: frozen([...names]), ...one }))
    })
  }

  private use(read: ReadPrompt, longest: { readonly prior: number; readonly decoder: number }): string {
    const prior = lengthened(read.prior, this.readers.prior, longest.prior)
    const decoder = lengthened(read.decoder, this.readers.decoder, longest.decoder)
    const isLonger = prior !== read.prior || decoder !== read.decoder
    const key = isLonger ? `${longest.prior}+${longest.decoder} ${read.key}` : read.key
    if (!this.used.has(key)) this.used.set(key, Object.freeze({ ...read, key, prior, decoder }))
    return key
  }

  private moments({ prompt, name }: Named): readonly Moment[] {
    const known = this.known.get(prompt) ?? { moments: this.read(prompt, name), names: new Set() }
    this.known.set(prompt, known)
    known.names.add(name)
    return known.moments
  }

  private read(prompt: Prompt, name: string): readonly Moment[] {
    if (typeof prompt !== 'string') return [{ from: 0, read: this.embedded(prompt, name) }]
    return this.reading.syntax === 'plain' && this.reading.longPrompts === 'truncate'
      ? [{ from: 0, read: this.tokenized(prompt) }]
      : naming(name, () => this.planned(prompt))
  }

  private embedded({ text, prior, decoder, truncated }: PromptEmbeddings, name: string): ReadPrompt {
    // The first letter keeps a text from being taken for embeddings.
    return {
      key: `e${this.known.size}`,
      text,
      prior: copied(`${name}.prior`, prior, this.readers.prior),
      decoder: copied(`${name}.decoder`, decoder, this.readers.decoder),
      truncated,
      words: frozen([]),
    }
  }

  private tokenized(text: string): ReadPrompt {
    const [prior, decoder] = [this.readers.prior.tokenize(text), this.readers.decoder.tokenize(text)]
    return this.noted({ key: `t${text}`, text, prior: Object.freeze(prior), decoder: Object.freeze(decoder) })
  }

  private noted(read: Omit<ReadPrompt, 'truncated' | 'words'>): ReadPrompt {
    const { prior, decoder } = this.readers
    const words = [...prior.wordsIn(idsIn(read.prior)), ...decoder.wordsIn(idsIn(read.decoder))]
    const truncated = truncatedTexts(
      { text: truncatedIn(read.prior), tokens: prior.length },
      { text: truncatedIn(read.decoder), tokens: decoder.length },
    )
    return { ...read, truncated: frozen(truncated), words: frozen([...new Set(words)]) }
  }

  private planned(text: string): readonly Moment[] {
    const { syntax, steps, loras } = this.reading
    const tree = parsePrompt(text, { syntax })
    refuseUndoable(tree, text, loras)
    if (steps === 0) refuseSchedules(tree, text)
    const changes = changesOf(tree, Math.max(1, steps))
    // By text before any is tokenised, then by tokens: a thousand steps may take turns with two prompts.
    const texts = new Map<string, ReadPrompt>()
    const reads = new Map<string, ReadPrompt>()
    return changes.map((step) => {
      const moment = { step, steps: Math.max(1, steps) }
      const written = writtenAt(tree, moment)
      const read = texts.get(written) ?? this.plan(tree, text, step, reads)
      texts.set(written, read)
      if (texts.size > MOST_STRETCHES) throw tooManyChanges(tree, text, MOST_STRETCHES)
      return { from: step - 1, read }
    })
  }

  /** One moment of a schedule; those that read the same are one prompt. */
  private plan(tree: PromptTree, source: string, step: number, reads: Map<string, ReadPrompt>): ReadPrompt {
    const planning = {
      source,
      longPrompts: this.reading.longPrompts,
      moment: { step, steps: Math.max(1, this.reading.steps) },
    }
    const [prior, decoder] = [this.readers.prior, this.readers.decoder].map((reader) =>
      planText(tree, reader, planning),
    )
    const content = contentOf(prior as TextPlan)
    const known = reads.get(content)
    if (known !== undefined) return known
    const sources = { prior: simple(prior as TextPlan), decoder: simple(decoder as TextPlan) }
    const read = this.noted({ key: `w${step} ${source}`, text: source, ...sources })
    reads.set(content, read)
    return read
  }
}

/** Equal for moments at which the same stands there. */
function writtenAt({ parts, syntax }: PromptTree, moment: TextMoment): string {
  const sections = parts.map(({ children }) => fragmentsOf(children, syntax, moment))
  return JSON.stringify(sections, (key, value) => (key === 'pieces' || key === 'end' ? undefined : value))
}

function frozen<Item>(items: readonly Item[]): readonly Item[] {
  return Object.freeze(items.map((item) => Object.freeze(item)))
}

/** Whatever a prompt cannot be, with the name of the option in front. */
function naming<Result>(name: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof PromptSyntaxError || error instanceof InvalidArgumentError)) throw error
    const Kind = error instanceof PromptSyntaxError ? PromptSyntaxError : InvalidArgumentError
    throw new Kind(`${name}: ${error.message}`, { details: { ...error.details, name } })
  }
}

/** Checks a LoRA's scales for `withLora()`. */
export function scalesOf(loras: readonly { readonly name: string; readonly scale: number }[]): LoraScales {
  return new Map(loras.map(({ name, scale }) => [name, scale]))
}
