import type { Item } from './compel-reader'
import type { PromptNode } from './tree'

/** Brackets without a weight are left out, and words become one text, with single spaces, as Compel joins them. */
export function tidy(items: readonly Item[]): readonly PromptNode[] {
  const [only] = items
  if (items.length === 1 && only?.type === 'group') return tidy(only.items)
  if (items.length === 1 && only?.type === 'text') return [only]
  return joined(items)
}

function joined(items: readonly Item[]): readonly PromptNode[] {
  const nodes: PromptNode[] = []
  let words: string[] = []
  let span = { start: 0, end: 0 }
  const flush = () => {
    if (words.length > 0) nodes.push({ type: 'text', ...span, text: words.join(' ') })
    words = []
  }
  const add = (item: Item): void => {
    if (item.type === 'group') {
      for (const one of item.items) add(one)
    } else if (item.type === 'text' || item.type === 'comma') {
      span = { start: words.length === 0 ? item.start : span.start, end: item.end }
      words.push(item.type === 'comma' ? ',' : item.text)
    } else if (item.type !== 'combined') {
      flush()
      nodes.push(item)
    }
  }
  for (const item of items) add(item)
  flush()
  return nodes
}
