/** From a tree to texts with one weight each, at one step of a schedule. */

import { type PromptSyntaxError, show } from '../errors'
import { syntaxError } from './syntax/position'
import type { PromptNode, PromptSyntax, PromptTree, ScheduleNode, SwapNode } from './syntax/tree'

/** Text that is tokenised on its own. */
export interface Fragment {
  readonly text: string
  readonly weight: number
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
  const sections: Fragment[][] = [[]]
  const glue = syntax === 'compel' ? ' ' : ''
  const visit = (node: PromptNode, scale: number): void => {
    if (node.type === 'break') sections.push([])
    if (node.type === 'text') append(sections.at(-1) as Fragment[], { text: node.text, weight: scale }, glue)
    const next = node.type === 'weight' ? scale * node.weight : scale
    for (const child of childrenAt(node, moment)) visit(child, next)
  }
  for (const node of nodes) visit(node, 1)
  return sections
}

function append(fragments: Fragment[], fragment: Fragment, glue: string): void {
  const last = fragments.at(-1)
  if (last?.weight !== fragment.weight) fragments.push(fragment)
  else fragments[fragments.length - 1] = { ...last, text: last.text + glue + fragment.text }
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
  const schedule = all(tree).find(({ type }) => type === 'schedule' || type === 'alternate')
  if (schedule !== undefined) throw cannot(source, schedule, 'no schedule where there are no steps')
}

/** LoRAs at work, by name. */
export type LoraScales = ReadonlyMap<string, number>

/** @throws PromptSyntaxError for what can be written but not be done. */
export function refuseUndoable(tree: PromptTree, source: string, loras: LoraScales): void {
  for (const node of [...all(tree), ...tree.loras]) {
    if (node.type === 'swap')
      throw cannot(source, node, 'no .swap(): the model has no cross-attention control')
    if (node.type !== 'lora') continue
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
