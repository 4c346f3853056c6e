import { added } from './added'
import type { Item } from './compel-reader'
import type { PromptNode } from './tree'

/** Brackets without a weight are left out, and words become one text, with single spaces, as Compel joins them. */
export function tidy(items: readonly Item[]): readonly PromptNode[] {
  const [only] = items
  if (items.length !== 1 || only === undefined || only.type === 'comma' || only.type === 'combined')
    return joined(items)
  return only.type === 'group' ? tidy(only.items) : [only]
}

function joined(items: readonly Item[]): readonly PromptNode[] {
  let nodes: PromptNode[] | null = null
  let words: string[] | null = null
  let [start, end] = [0, 0]
  const flush = () => {
    if (words !== null) nodes = added<PromptNode>(nodes, { type: 'text', start, end, text: words.join(' ') })
    words = null
  }
  const add = (item: Item): void => {
    if (item.type === 'group') {
      for (const one of item.items) add(one)
    } else if (item.type === 'text' || item.type === 'comma') {
      const word = item.type === 'comma' ? ',' : item.text
      if (words === null) start = item.start
      words = added(words, word)
      end = item.end
    } else if (item.type !== 'combined') {
      flush()
      nodes = added<PromptNode>(nodes, item)
    }
  }
  for (const item of items) add(item)
  flush()
  return nodes ?? []
}
