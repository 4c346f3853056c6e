/** From a tree to texts with one weight each, at one step of a schedule. */

import { type PromptSyntaxError, show } from '../errors'
import { offsetOf, syntaxError } from './syntax/position'
import type { PromptNode, PromptSyntax, PromptTree, ScheduleNode, SwapNode, TextNode } from './syntax/tree'

/** Text that is tokenised on its own. */
export interface Fragment {
  readonly text: string
  readonly weight: number
  readonly pieces: readonly Piece[]
  /** Where the brackets and weights around it end in the source, too. */
  readonly end: number
}

/** What a text of the source becomes of a fragment. */
interface Piece {
  readonly node: TextNode
  /** Where it begins in the fragment. */
  readonly at: number
  /** Where the outermost brackets that begin with it do so in the source. */
  readonly outset: number
}

/** A prompt, and what it is written in. */
export interface Written {
  readonly source: string
  readonly syntax: PromptSyntax
}

/** Where in the source a character of the fragment stands. */
export function offsetIn(fragment: Fragment, at: number, { source, syntax }: Written): number {
  const piece = pieceAt(fragment, at)
  return piece === undefined ? 0 : offsetOf(source, piece.node, at - piece.at, syntax)
}

/** The same, or where the brackets begin that begin with this character. */
export function outsetIn(fragment: Fragment, at: number, written: Written): number {
  const piece = pieceAt(fragment, at)
  return piece?.at === at ? piece.outset : offsetIn(fragment, at, written)
}

function pieceAt({ pieces }: Fragment, at: number): Piece | undefined {
  return pieces.filter((one) => one.at <= at).at(-1)
}

/** Which step is read, of how many, counted from 1. */
export interface Moment {
  readonly step: number
  readonly steps: number
}

/** The fragments between the BREAKs of some nodes. Neighbours of one weight are one text. */
export function fragmentsOf(
  nodes: readonly PromptNode[],
  syntax: PromptSyntax,
  moment: Moment,
): readonly (readonly Fragment[])[] {
  const sections: Growing[][] = [[]]
  const glue = syntax === 'compel' ? ' ' : ''
  const visit = (node: PromptNode, scale: number, outset: number): void => {
    if (node.type === 'break') sections.push([])
    if (node.type === 'text') append(sections.at(-1) as Growing[], node, { weight: scale, outset, glue })
    const next = node.type === 'weight' ? scale * node.weight : scale
    const children = childrenAt(node, moment)
    for (const [index, child] of children.entries()) visit(child, next, index === 0 ? outset : child.start)
    const last = sections.at(-1)?.at(-1)
    if (last !== undefined && children.length > 0) last.end = node.end
  }
  for (const node of nodes) visit(node, 1, node.start)
  return sections
}

interface Growing {
  text: string
  readonly weight: number
  readonly pieces: Piece[]
  end: number
}

function append(
  fragments: Growing[],
  node: TextNode,
  { weight, outset, glue }: { weight: number; outset: number; glue: string },
): void {
  const { text, end } = node
  const last = fragments.at(-1)
  if (last?.weight !== weight) {
    fragments.push({ text, weight, pieces: [{ node, at: 0, outset }], end })
    return
  }
  last.text += glue
  last.pieces.push({ node, at: last.text.length, outset })
  last.text += text
  last.end = end
}

function childrenAt(node: PromptNode, { step, steps }: Moment): readonly PromptNode[] {
  switch (node.type) {
    case 'weight':
      return node.children
    case 'schedule':
      return step <= lastBefore(node, steps) ? node.before : node.after
    case 'alternate':
      return node.choices[(step - 1) % node.choices.length] ?? []
    default:
      return []
  }
}

/** The last step that reads what stands before the colon. */
function lastBefore({ when }: ScheduleNode, steps: number): number {
  return Math.min(steps, Math.floor('steps' in when ? when.steps : when.fraction * steps))
}

/** The first steps of all stretches that read the same. Without schedules there is one. */
export function changesOf(tree: PromptTree, steps: number): readonly number[] {
  const scheduled = all(tree).flatMap((node) => {
    if (node.type === 'alternate') return Array.from({ length: steps }, (_, index) => index + 1)
    return node.type === 'schedule' ? [lastBefore(node, steps) + 1] : []
  })
  return [...new Set([1, ...scheduled])].filter((step) => step <= steps).sort((a, b) => a - b)
}

/** @throws PromptSyntaxError where an embedding, which has no steps, is to be made of a schedule. */
export function refuseSchedules(tree: PromptTree, source: string): void {
  const schedule = firstSchedule(tree)
  if (schedule !== undefined) throw cannot(source, schedule, 'no schedule where there are no steps')
}

/** For a prompt that is another one too often. */
export function tooManyChanges(tree: PromptTree, source: string, most: number): PromptSyntaxError {
  return syntaxError(source, firstSchedule(tree)?.start ?? 0, `at most ${most} prompts in turn`, 'more')
}

function firstSchedule(tree: PromptTree): PromptNode | undefined {
  return all(tree).find(({ type }) => type === 'schedule' || type === 'alternate')
}

/** LoRAs at work, by name. */
export type LoraScales = ReadonlyMap<string, number>

/**
 * @param loras null while they are not known.
 * @throws PromptSyntaxError for what can be written but not be done.
 */
export function refuseUndoable(tree: PromptTree, source: string, loras: LoraScales | null): void {
  for (const node of [...all(tree), ...tree.loras]) {
    if (node.type === 'swap')
      throw cannot(source, node, 'no .swap(): the model has no cross-attention control')
    if (node.type !== 'lora' || loras === null) continue
    const scale = loras.get(node.name)
    if (scale === undefined) throw cannot(source, node, 'the name of a loaded LoRA')
    if (node.weight !== null && node.weight !== scale) {
      throw cannot(source, node, `no weight or the LoRA's scale, ${scale} (setLoraScales() changes it)`)
    }
  }
}

function cannot(
  source: string,
  { start, end }: Pick<SwapNode, 'start' | 'end'>,
  what: string,
): PromptSyntaxError {
  return syntaxError(source, start, what, show(source.slice(start, end)))
}

/** Every node, however deep. */
function all({ parts }: PromptTree): readonly PromptNode[] {
  const deep = (node: PromptNode): readonly PromptNode[] => {
    switch (node.type) {
      case 'weight':
        return [node, ...node.children.flatMap(deep)]
      case 'schedule':
        return [node, ...node.before.flatMap(deep), ...node.after.flatMap(deep)]
      case 'alternate':
        return [node, ...node.choices.flat().flatMap(deep)]
      case 'swap':
        return [node, ...node.original.flatMap(deep), ...node.edited.flatMap(deep)]
      default:
        return [node]
    }
  }
  return parts.flatMap(({ children }) => children.flatMap(deep))
}
