/** From a tree to what a text encoder is to read, with a weight for each token. */

import { InvalidArgumentError } from '../errors'
import { type Fragment, fragmentsOf, type Moment, offsetIn, outsetIn, type Written } from './fragments'
import {
  type Emphasis,
  type Masked,
  type PlannedChunk,
  type PlannedMember,
  plain,
  type TextPlan,
} from './plan'
import { columnOf, syntaxError } from './syntax/position'
import type { PromptPart, PromptTree } from './syntax/tree'
import type { Tokenizer } from './tokenizer'

/** What becomes of tokens that are more than a text encoder reads at once. */
export type LongPrompts = 'truncate' | 'chunk'

interface Planning {
  readonly source: string
  readonly longPrompts: LongPrompts
  readonly moment: Moment
}

/** More chunks, or readings by a text encoder, would take minutes. */
export const MOST_CHUNKS = 64
const MOST_READINGS = 512

/** What this text encoder reads of a prompt at one moment. */
export function planText(tree: PromptTree, tokenizer: Tokenizer, planning: Planning): TextPlan {
  const { syntax } = tree
  const cut: string[] = []
  const members = tree.parts.map((part) => {
    const sections = fragmentsOf(part.children, syntax, planning.moment)
    return sections.flatMap((fragments, index) => {
      const isLast = tree.combine === 'one' && index === sections.length - 1
      const source = planning.source.slice(0, isLast ? part.end : fragments.at(-1)?.end)
      return chunksOf(fragments, tokenizer, planning.longPrompts, { source, syntax }, cut)
    })
  })
  const chunks = refuseTooMany(tree.combine === 'blend' ? [members] : members.map((one) => [one]), planning)
  const factors = tree.combine === 'blend' ? factorsOf(tree, planning.source) : tree.parts.map(() => 1)
  const planned = members.map((placed, index): PlannedMember => {
    return { factor: factors[index] as number, chunks: placed.map(({ chunk }) => chunk) }
  })
  const parts =
    tree.combine === 'blend'
      ? [{ weight: 1, members: planned }]
      : planned.map((member, index) => ({
          weight: (tree.parts[index] as PromptPart).weight,
          members: [member],
        }))
  return { parts, empty: tokenizer.frame([]), chunks, truncated: cut.length === 0 ? null : cut.join(' … ') }
}

/** A chunk, and for each time that it is read where in the source it begins, or the word that is left out then. */
interface PlacedChunk {
  readonly chunk: PlannedChunk
  readonly readings: readonly (() => number)[]
}

/** How many chunks one after the other there are of these parts, each of members that are added. */
function refuseTooMany(
  parts: readonly (readonly (readonly PlacedChunk[])[])[],
  { source }: Planning,
): number {
  let count = 0
  for (const members of parts) {
    const longest = members.reduce((a, b) => (b.length > a.length ? b : a))
    const [over] = longest[MOST_CHUNKS - count]?.readings ?? []
    count += longest.length
    if (over !== undefined)
      throw tooMuch(`a prompt of at most ${MOST_CHUNKS} chunks of tokens`, source, over())
  }
  const readings = parts.flat(2).flatMap((placed) => placed.readings)
  const over = readings[MOST_READINGS]
  if (over === undefined) return count
  const what = `a prompt that a text encoder reads at most ${MOST_READINGS} times, once for each weight below 1,`
  throw tooMuch(what, source, over())
}

function tooMuch(what: string, source: string, offset: number): InvalidArgumentError {
  const column = columnOf(source, offset)
  return new InvalidArgumentError(`Expected ${what} but received more, at column ${column}`, {
    details: { column, offset },
  })
}

/** What the members of a blend are multiplied by. */
function factorsOf({ parts, normalized }: PromptTree, source: string): number[] {
  const sum = parts.reduce((total, { weight }) => total + weight, 0)
  if (!normalized) return parts.map(({ weight }) => weight)
  if (sum === 0) {
    throw syntaxError(
      source,
      parts[0]?.start ?? 0,
      'weights of .blend() whose sum is not 0, or no_normalize',
      '0',
    )
  }
  return parts.map(({ weight }) => weight / sum)
}

/** A token, its weight, the fragment that it comes from, and which of its tokens it is. */
interface Placed {
  readonly id: number
  readonly weight: number
  readonly fragment: number
  readonly index: number
}

function chunksOf(
  fragments: readonly Fragment[],
  tokenizer: Tokenizer,
  longPrompts: LongPrompts,
  written: Written,
  cut: string[],
): PlacedChunk[] {
  const emphasis = written.syntax === 'a1111' ? 'a1111' : 'compel'
  const room = tokenizer.length - 2
  const most = longPrompts === 'truncate' ? room + 1 : MOST_CHUNKS * room + 1
  const read = fragments.map(({ text }) => tokenizer.read(text, most))
  const tokens = read.flatMap((ids, fragment) =>
    ids.map((id, index): Placed => ({ id, weight: fragments[fragment]?.weight ?? 1, fragment, index })),
  )
  const offset = ({ fragment, index }: Pick<Placed, 'fragment' | 'index'>, find = offsetIn) => {
    const one = fragments[fragment] as Fragment
    const left = index === 0 ? one.text : tokenizer.textAfter(one.text, index)
    return find(one, index === 0 ? 0 : one.text.trimEnd().length - left.length, written)
  }
  if (longPrompts === 'truncate' && tokens.length > room) {
    const fitting = tokenizer.fitting(tokens.slice(0, room).map(({ id }) => id))
    const firstCut = tokens[fitting] as Placed
    tokens.length = fitting
    cut.push(written.source.slice(offset(firstCut, outsetIn)).trim())
  }
  const lighter = emphasis === 'compel' ? strengthsOf(fragments, tokens) : new Map<number, number>()
  return split(tokens, tokenizer).map((some) => {
    const chunk = planned(some, tokenizer, emphasis, lighter)
    const masked = [...lighter.keys()].filter((_, place) => chunk.without[place]?.mask)
    const starts = [some[0] ?? START, ...masked.map((fragment) => ({ fragment, index: 0 }))]
    return { chunk, readings: starts.map((start) => () => (fragments.length === 0 ? 0 : offset(start))) }
  })
}

const START = { fragment: 0, index: 0 }

/** By fragment: how strongly the answer without it is mixed in, from 0 at a weight of 1 towards infinity at 0. */
function strengthsOf(fragments: readonly Fragment[], tokens: readonly Placed[]): ReadonlyMap<number, number> {
  const present = new Set(tokens.map(({ fragment }) => fragment))
  const lighter = [...present].filter((index) => (fragments[index]?.weight ?? 1) < 1)
  const strength = (weight: number) => Math.tan(((1 - Math.max(LEAST, weight)) * Math.PI) / 2)
  return new Map(lighter.map((index) => [index, strength(fragments[index]?.weight ?? 1)]))
}

const LEAST = 1e-5 // Compel's: a weight of 0 has no tangent

/** Chunks that fit, each as long as can be up to the end of a sentence, else of a phrase, else of a word. */
function split(tokens: readonly Placed[], tokenizer: Tokenizer): (readonly Placed[])[] {
  const room = tokenizer.length - 2
  const chunks: (readonly Placed[])[] = []
  let from = 0
  do {
    const to = from + cutAfter(tokens.slice(from, from + room), tokens.length - from, tokenizer)
    chunks.push(tokens.slice(from, to))
    from = to
  } while (from < tokens.length)
  return chunks
}

function cutAfter(candidates: readonly Placed[], left: number, tokenizer: Tokenizer): number {
  if (left <= candidates.length) return left
  const ends = candidates.map(({ id }) => tokenizer.endsAt(id))
  const last = (...kinds: (string | null)[]) =>
    ends.reduce((cut, end, place) => (kinds.includes(end) ? place + 1 : cut), 0)
  return (
    last('sentence') || last('sentence', 'phrase') || last('sentence', 'phrase', 'word') || candidates.length
  )
}

function planned(
  chunk: readonly Placed[],
  tokenizer: Tokenizer,
  emphasis: Emphasis,
  lighter: ReadonlyMap<number, number>,
): PlannedChunk {
  const tokens = tokenizer.frame(chunk.map(({ id }) => id))
  if (chunk.every(({ weight }) => weight === 1) && lighter.size === 0) return plain(tokens)
  const weights = new Float64Array(tokens.ids.length).fill(1)
  for (const [place, { weight }] of chunk.entries()) weights[place + 1] = weight // after the start token
  const without = Array.from(lighter, ([fragment, strength]): Masked => {
    const places = chunk.flatMap((token, place) => (token.fragment === fragment ? [place + 1] : []))
    return { mask: places.length === 0 ? null : maskedAt(tokens.mask, places), strength }
  })
  return { tokens, weights: weights.every((weight) => weight === 1) ? null : weights, emphasis, without }
}

function maskedAt(mask: Int32Array, places: readonly number[]): Int32Array {
  const masked = mask.slice()
  for (const place of places) masked[place] = 0
  return masked
}
