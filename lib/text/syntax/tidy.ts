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
  let words: string[] | null = null
  let [start, end] = [0, 0]
  const flush = () => {
    if (words !== null) nodes.push({ type: 'text', start, end, text: words.join(' ') })
    words = null
  }
  const add = (item: Item): void => {
    if (item.type === 'group') {
      for (const one of item.items) add(one)
    } else if (item.type === 'text' || item.type === 'comma') {
      const word = item.type === 'comma' ? ',' : item.text
      if (words === null) {
        words = [word]
        start = item.start
      } else words.push(word)
      end = item.end
    } else if (item.type !== 'combined') {
      flush()
      nodes.push(item)
    }
  }
  for (const item of items) add(item)
  flush()
  return nodes
}
