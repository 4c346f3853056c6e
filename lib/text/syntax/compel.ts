/**
 * Compel's language: `cat++`, `(a cat)1.3`, `"a cat"0.5`, `("one", "two").blend(0.7, 0.3)`, `.and()`, `.swap()`, `withLora()`.
 * One pass, one character of look-ahead: where Compel goes back and takes a bracket for text, this is an error with its column.
 */

import { added } from './added'
import { CompelReader, type Group, type Item } from './compel-reader'
import { tidy } from './tidy'
import {
  type LoraNode,
  MOST_NESTED,
  MOST_WEIGHT,
  type PromptPart,
  type PromptTree,
  type SwapNode,
} from './tree'

const UP = 1.1 // what one + multiplies by
const DOWN = 0.9

/** @throws PromptSyntaxError with the column. */
export function parseCompel(source: string): PromptTree {
  return new CompelParser(source).prompt()
}

class CompelParser {
  private readonly reader: CompelReader
  private depth = 0
  /** Within quotes: another one ends them. */
  private quoted = false
  /** Where what was swapped begins. */
  private readonly swaps: number[] = []

  constructor(private readonly source: string) {
    this.reader = new CompelReader(source)
  }

  prompt(): PromptTree {
    const items = this.items('')
    const combined = items.find((item) => item.type === 'combined')
    if (combined?.type !== 'combined') return this.one(items)
    const others = items.filter((item) => item !== combined)
    const stranger = others.find(({ type }) => type !== 'lora')
    if (stranger !== undefined)
      throw this.reader.refuse(stranger.start, `nothing beside .${combined.operator}()`)
    const { combine, normalized, parts } = combined
    return { syntax: 'compel', combine, normalized, parts, loras: others as LoraNode[] }
  }

  private one(items: readonly Item[]): PromptTree {
    const part = { start: 0, end: this.source.length, weight: 1, children: tidy(items) }
    return { syntax: 'compel', combine: 'one', normalized: true, parts: [part], loras: [] }
  }

  /** All up to one of these characters, or the end. In quotes a quote ends everything; whoever wanted more will say so. */
  private items(closers: string): Item[] {
    const top = closers === ''
    let items: Item[] | null = null
    for (;;) {
      this.reader.skipSpace()
      const next = this.reader.peek()
      if (next === '' || closers.includes(next) || (this.quoted && next === '"')) return items ?? []
      items = added(items, this.item(next, top))
    }
  }

  private item(next: string, top: boolean): Item {
    const { reader } = this
    const start = reader.at
    if (next === '(') return this.operated(this.group(')'), top)
    if (next === '"') return this.operated(this.group('"'), top)
    if (next === ')') throw reader.refuse(start, 'no ) without a ( before it (write \\) for the character)')
    if (reader.lora()) return this.lora(start)
    if (!reader.word()) return top ? reader.freeWord() : reader.innerCharacter()
    const { at: end } = reader
    const signs = reader.signs()
    if (signs !== null) return this.weighted(this.word(start, end), power(signs), start)
    const operator = reader.operator()
    if (operator === 'attend') return this.attend(this.word(start, end))
    if (operator === 'swap') return this.swap(this.word(start, end))
    reader.at = end
    if (!top || reader.atWordEnd()) return reader.text(start)
    reader.at = start
    return reader.freeWord()
  }

  private word(start: number, end: number): Group {
    return { type: 'group', start, end, items: [this.reader.text(start, end)] }
  }

  /** `(…)` or `"…"`. */
  private group(close: ')' | '"'): Group {
    const { reader } = this
    const { at: start } = reader
    const outside = this.quoted
    this.depth += 1
    if (this.depth > MOST_NESTED) throw reader.refuse(start, `at most ${MOST_NESTED} nested brackets`, 'more')
    reader.at += 1
    this.quoted ||= close === '"'
    const items = this.items(close)
    const what =
      close === ')' ? ') for the ( (write \\( for the character)' : 'a second " (write \\" for the character)'
    if (reader.peek() !== close) throw reader.refuse(start, what, 'none')
    reader.at += 1
    this.quoted = outside
    this.depth -= 1
    return { type: 'group', start, end: reader.at, items }
  }

  /** What stands behind a bracket or a quote. */
  private operated(group: Group, top: boolean): Item {
    const { reader } = this
    const at = reader.at
    const signs = reader.signs()
    if (signs !== null) return this.weighted(group, power(signs), at)
    const number = reader.number()
    if (number !== null) return this.weighted(group, number, at)
    const operator = reader.operator()
    if (operator === null) return group
    if (operator === 'attend') return this.attend(group)
    if (operator === 'swap') return this.swap(group)
    if (!top) throw reader.refuse(at, `.${operator}() for whole prompts only`)
    return this.combined(group, operator)
  }

  private attend(target: Group): Item {
    const { reader } = this
    reader.skipSpace()
    const at = reader.at
    const signs = reader.signs()
    const weight = signs === null ? reader.number() : power(signs)
    if (weight === null || !reader.closes()) throw reader.refuse(at, 'a weight such as 1.3 or ++, then )')
    return this.weighted(target, weight, at)
  }

  private weighted(target: Group, weight: number, at: number): Item {
    if (!(weight >= 0 && weight <= MOST_WEIGHT)) {
      throw this.reader.refuse(at, `a weight from 0 to ${MOST_WEIGHT}`)
    }
    const { start, items } = target
    return { type: 'weight', start, end: this.reader.at, weight, children: tidy(items) }
  }

  private swap({ start, items: original }: Group): SwapNode {
    const { reader } = this
    this.swaps.push(start)
    const edited = this.items(',)')
    const options: Record<string, number | string> = {}
    while (reader.comma()) {
      const at = reader.at
      const option = reader.option()
      if (option === null) throw reader.refuse(at, 'an option such as s_start=0.1')
      options[option.name] = option.value
    }
    if (!reader.closes()) throw reader.refuse(reader.at, ') after .swap(')
    return { type: 'swap', start, end: reader.at, original: tidy(original), edited: tidy(edited), options }
  }

  private lora(start: number): LoraNode {
    const { reader } = this
    const name = reader.name()
    const weight = name !== null && reader.comma() ? reader.number() : null
    if (name === null || !reader.closes())
      throw reader.refuse(reader.at, 'withLora(name) or withLora(name, weight)')
    return { type: 'lora', start, end: reader.at, name, weight }
  }

  private combined(group: Group, operator: 'blend' | 'and' | 'add'): Item {
    const { reader } = this
    const at = reader.at
    const { weights, normalized } = reader.weights(operator)
    const parts = this.parts(group, weights)
    if (weights.length !== 0 && weights.length !== parts.length) {
      throw reader.refuse(at, `${parts.length} weights, one for each prompt, or none`, `${weights.length}`)
    }
    const swaps = operator === 'blend' ? this.swaps.filter((start) => start >= group.start) : []
    if (swaps.length > 0) throw reader.refuse(Math.min(...swaps), 'no .swap() in a .blend()')
    const combine = operator === 'blend' ? 'blend' : 'and'
    return { type: 'combined', start: group.start, end: reader.at, operator, combine, normalized, parts }
  }

  /** The prompts between the commas of a bracket. */
  private parts({ start, end, items }: Group, weights: readonly number[]): readonly PromptPart[] {
    const parts: PromptPart[] = []
    let [begin, first] = [start + 1, 0]
    for (let index = 0; index <= items.length; index++) {
      const item = items[index]
      if (item !== undefined && item.type !== 'comma') continue
      if (index === first) throw this.reader.refuse(begin, 'a prompt (write "" for an empty one)')
      const weight = weights[parts.length] ?? 1
      const children = tidy(items.slice(first, index))
      parts.push({ start: begin, end: item?.start ?? end - 1, weight, children })
      begin = item?.end ?? end
      first = index + 1
    }
    return parts
  }
}

function power(signs: number): number {
  return signs > 0 ? UP ** signs : DOWN ** -signs
}
