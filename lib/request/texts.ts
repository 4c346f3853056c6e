/** What the text encoders are to read of prompts. */

import { expected, PromptSyntaxError, show } from '../errors'
import { checkTensor, type FloatTensor } from '../tensors/float-tensor'
import { changesOf, fragmentsOf, type LoraScales, refuseSchedules, refuseUndoable } from '../text/fragments'
import { padded, plain, type TextPlan } from '../text/plan'
import { checkSyntax, parsePrompt } from '../text/syntax/parse'
import type { PromptSyntax, PromptTree } from '../text/syntax/tree'
import type { Tokenizer, Tokens } from '../text/tokenizer'
import { type LongPrompts, MOST_CHUNKS, planText } from '../text/weights'
import type { Prompt, PromptOptions } from './options'

/** A text encoder's tokenizer, and the size of what it makes of each token. */
export interface TextReader extends Tokenizer {
  readonly channels: number
}

export interface TextReaders {
  readonly prior: TextReader
  readonly decoder: TextReader
}

/** Tokens of one text; what to make of several; or what a text encoder made of some. */
export type TextSource = Tokens | TextPlan | FloatTensor

/** One prompt for both text encoders. */
export interface ReadPrompt {
  /** Equal prompts of a request have one key. */
  readonly key: string
  readonly text: string
  readonly prior: TextSource
  readonly decoder: TextSource
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
  readonly loras: LoraScales
}

/** More prompts than this in turn: what each makes is kept until the last step. */
const MOST_STRETCHES = 64

export function readReading(
  { promptSyntax = 'plain', longPrompts = 'truncate' }: PromptOptions,
  rest: Pick<Reading, 'steps' | 'loras'>,
): Reading {
  const syntax = checkSyntax('promptSyntax', promptSyntax)
  const modes: readonly unknown[] = ['truncate', 'chunk']
  if (!modes.includes(longPrompts)) throw expected('longPrompts', "'truncate' or 'chunk'", longPrompts)
  return { syntax, longPrompts, ...rest }
}

/** A prompt from a step on. */
interface Moment {
  readonly from: number
  readonly read: ReadPrompt
}

/** Reads each prompt of a request once. */
export class PromptReader {
  /** What images read, with its padding, by key. */
  readonly used = new Map<string, ReadPrompt>()
  private readonly known = new Map<Prompt, readonly Moment[]>()

  constructor(
    private readonly readers: TextReaders,
    private readonly reading: Reading,
  ) {}

  /** Of one image: what it is to show, and what not, null without guidance; as long as one another. */
  pair(prompt: Prompt, negative: Prompt | null, name: string): { stretches: readonly Stretch[] } {
    const [shown, hidden] = [
      this.moments(prompt, name),
      negative === null ? [] : this.moments(negative, 'negativePrompt'),
    ]
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
    return { stretches }
  }

  /** One prompt that no image reads. */
  single(prompt: Prompt): ReadPrompt {
    return (this.moments(prompt, 'prompt')[0] as Moment).read
  }

  /** Text that no text encoder reads. Both cut the same in most models: one sentence then. */
  get warnings(): readonly string[] {
    const warnings = [...this.used.values()].flatMap((prompt) => [
      ...warningOf(prompt.prior, this.readers.prior.length),
      ...warningOf(prompt.decoder, this.readers.decoder.length),
    ])
    return [...new Set(warnings)]
  }

  private use(read: ReadPrompt, longest: { readonly prior: number; readonly decoder: number }): string {
    const prior = lengthened(read.prior, this.readers.prior, longest.prior)
    const decoder = lengthened(read.decoder, this.readers.decoder, longest.decoder)
    const isLonger = prior !== read.prior || decoder !== read.decoder
    const key = isLonger ? `${longest.prior}+${longest.decoder} ${read.key}` : read.key
    if (!this.used.has(key)) this.used.set(key, Object.freeze({ ...read, key, prior, decoder }))
    return key
  }

  private moments(prompt: Prompt, name: string): readonly Moment[] {
    const moments = this.known.get(prompt) ?? this.read(prompt, name)
    this.known.set(prompt, moments)
    return moments
  }

  private read(prompt: Prompt, name: string): readonly Moment[] {
    // The first letter keeps a text from being taken for embeddings.
    if (typeof prompt !== 'string')
      return [{ from: 0, read: embedded(prompt, `e${this.known.size}`, this.readers) }]
    return this.reading.syntax === 'plain' && this.reading.longPrompts === 'truncate'
      ? [{ from: 0, read: this.tokenized(prompt) }]
      : naming(name, () => this.planned(prompt))
  }

  private tokenized(text: string): ReadPrompt {
    const [prior, decoder] = [this.readers.prior.tokenize(text), this.readers.decoder.tokenize(text)]
    return { key: `t${text}`, text, prior: Object.freeze(prior), decoder: Object.freeze(decoder) }
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
      const written = JSON.stringify(
        tree.parts.map(({ children }) => fragmentsOf(children, tree.syntax, moment)),
      )
      const read = texts.get(written) ?? this.plan(tree, text, step, reads)
      texts.set(written, read)
      refuseStretches(texts.size)
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
    const read = {
      key: `w${step} ${source}`,
      text: source,
      prior: simple(prior as TextPlan),
      decoder: simple(decoder as TextPlan),
    }
    reads.set(content, read)
    return read
  }
}

function refuseStretches(count: number): void {
  if (count > MOST_STRETCHES)
    throw new PromptSyntaxError(`Expected at most ${MOST_STRETCHES} prompts in turn but received more`)
}

/** The name of the option in front of what its syntax says. */
function naming<Result>(name: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof PromptSyntaxError)) throw error
    throw new PromptSyntaxError(`${name}: ${error.message}`, { details: { ...error.details, name } })
  }
}

/** What tells two plans of one prompt apart. */
function contentOf({ parts }: TextPlan): string {
  const chunks = parts.flatMap(({ members }) => members.flatMap((member) => member.chunks))
  return chunks
    .map((chunk) => ('tokens' in chunk ? `${chunk.tokens.ids.join()} ${chunk.weights?.join()}` : ''))
    .join(';')
}

/** A plan in which nothing has a weight is its tokens. */
function simple(plan: TextPlan): TextSource {
  const [part, ...parts] = plan.parts
  const [member, ...members] = part?.members ?? []
  const [chunk, ...chunks] = member?.chunks ?? []
  const alone =
    parts.length + members.length + chunks.length === 0 && part?.weight === 1 && member?.factor === 1
  const isPlain =
    chunk !== undefined && 'tokens' in chunk && chunk.weights === null && chunk.without.length === 0
  return alone && isPlain
    ? Object.freeze({ ...chunk.tokens, truncated: plan.truncated })
    : Object.freeze(plan)
}

/** A copy: what the caller does with its own later changes no request. */
function embedded(
  { text, prior, decoder }: Exclude<Prompt, string>,
  key: string,
  readers: TextReaders,
): ReadPrompt {
  return {
    key,
    text,
    prior: copied('prior', prior, readers.prior),
    decoder: copied('decoder', decoder, readers.decoder),
  }
}

function copied(name: string, tensor: FloatTensor, { length, channels }: TextReader): FloatTensor {
  // Those of a long prompt are several times as long.
  const tokens = (tensor as Partial<FloatTensor>).shape?.[1] ?? 0
  const isLong = tokens > length && tokens % length === 0 && tokens <= MOST_CHUNKS * length
  const wanted = [1, isLong ? tokens : length, channels]
  const { shape, data } = checkTensor(`the prompt embeddings' ${name}`, tensor, wanted)
  return Object.freeze({ shape: Object.freeze(shape), data: data.slice() })
}

/** How many times the tokens that a text encoder reads at once. */
function chunksIn(source: TextSource, { length }: TextReader): number {
  if ('parts' in source) return source.chunks
  return 'ids' in source ? 1 : (source.shape[1] as number) / length
}

function lengthened(source: TextSource, reader: TextReader, chunks: number): TextSource {
  const length = chunksIn(source, reader)
  if (length === chunks) return source
  const content = 'ids' in source ? plain(source) : 'shape' in source ? { given: source } : null
  const parts = content === null ? [] : [{ weight: 1, members: [{ factor: 1, chunks: [content] }] }]
  const truncated = 'truncated' in source ? source.truncated : null
  const plan = 'parts' in source ? source : { parts, empty: reader.frame([]), chunks: length, truncated }
  return Object.freeze(padded(plan, chunks))
}

function warningOf(source: TextSource, length: number): string[] {
  if (!('truncated' in source) || source.truncated === null) return []
  return [`The model reads ${length} tokens of a prompt. It does not see ${show(source.truncated)}.`]
}

/** Checks a LoRA's scales for `withLora()`. */
export function scalesOf(loras: readonly { readonly name: string; readonly scale: number }[]): LoraScales {
  return new Map(loras.map(({ name, scale }) => [name, scale]))
}
