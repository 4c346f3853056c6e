/**
 * The language of AUTOMATIC1111's web UI: `(x)`, `[x]`, `(x:1.3)`, `BREAK`, `[a:b:0.4]`, `[a|b]`, `\(`. Whatever is not closed
 * is text.
 */

import { syntaxError } from './position'
import {
  type BreakNode,
  MOST_NESTED,
  MOST_WEIGHT,
  type PromptNode,
  type PromptTree,
  type ScheduleNode,
} from './tree'

const ROUND = 1.1 // what one pair of brackets multiplies by
const SQUARE = 1 / 1.1

const SPECIAL = /[\\()[\]:|]/g
const BREAK = /(?<![\p{L}\p{N}_])BREAK(?![\p{L}\p{N}_])/gu
const NUMBER = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$/
const STEP = /^\s*(?:\d+(?:\.\d*)?|\.\d+)\s*$/

/** A node, or text that may turn out to mean something: a character of `()[]:|` is its own mark. */
interface Item {
  /** Null for text. */
  readonly node: PromptNode | null
  readonly start: number
  readonly end: number
  readonly text: string
  readonly depth: number
  readonly mark: string
  /** Text without any escape. */
  readonly raw: boolean
}

interface Open {
  readonly bracket: '(' | '['
  /** Where its own character lies among the items. */
  readonly place: number
}

/** @throws PromptSyntaxError for nesting and weights out of all proportion, with the column. */
export function parseA1111(source: string): PromptTree {
  const children = new A1111Parser(source).nodes()
  const part = { start: 0, end: source.length, weight: 1, children }
  return { syntax: 'a1111', combine: 'one', normalized: true, parts: [part], loras: [] }
}

/** Brackets are text until their other half comes: then all since becomes one node. Every item is moved once. */
class A1111Parser {
  private readonly items: Item[] = []
  private readonly opened: Open[] = []
  private readonly count = { '(': 0, '[': 0 }

  constructor(private readonly source: string) {}

  nodes(): readonly PromptNode[] {
    const { source } = this
    let from = 0
    SPECIAL.lastIndex = 0
    while (SPECIAL.test(source)) {
      const at = SPECIAL.lastIndex - 1
      if (at > from) this.broken(source.slice(from, at), from)
      from = this.take(source[at] as string, at)
      SPECIAL.lastIndex = from
    }
    if (from < source.length) this.broken(source.slice(from), from)
    return merged(this.items)
  }

  /** A character that may mean something; says where the next one begins. */
  private take(mark: string, start: number): number {
    const end = start + 1
    if (mark === '\\') {
      this.text(this.source[end] ?? '', start, end + 1, '', false)
      return end + 1
    }
    if (mark === '(' || mark === '[') {
      this.opened.push({ bracket: mark, place: this.items.length })
      this.count[mark] += 1
    }
    if (mark === ')' && this.count['('] > 0) this.closeRound(this.pop('('), end)
    else if (mark === ']' && this.count['['] > 0) this.closeSquare(this.pop('['), end)
    else this.text(mark, start, end, mark, false)
    return end
  }

  private text(text: string, start: number, end: number, mark: string, raw: boolean): void {
    if (text === '') return
    this.items.push({ node: null, start, end, text, depth: 0, mark, raw })
  }

  /** Text with `BREAK`s in it, which take the white space around them along. */
  private broken(token: string, start: number): void {
    let from = 0
    for (const { index } of token.includes('BREAK') ? token.matchAll(BREAK) : []) {
      const before = token.slice(from, index).trimEnd()
      this.text(before, start + from, start + from + before.length, '', true)
      const after = index + 'BREAK'.length
      from = skipSpace(token, after)
      const node: BreakNode = { type: 'break', start: start + index, end: start + after }
      this.items.push(itemOf(node, 0))
    }
    this.text(token.slice(from), start + from, start + token.length, '', true)
  }

  /** The last bracket of this kind; those of the other kind that opened since stay text. */
  private pop(bracket: Open['bracket']): Open {
    for (;;) {
      const open = this.opened.pop() as Open
      this.count[open.bracket] -= 1
      if (open.bracket === bracket) return open
    }
  }

  /** What stands between a bracket and its other half, taken out, with the bracket. */
  private content({ place }: Open): { readonly start: number; readonly content: readonly Item[] } {
    const content = this.items.slice(place + 1)
    const start = this.items[place]?.start ?? 0
    this.items.length = place
    return { start, content }
  }

  private push(node: PromptNode, content: readonly Item[]): void {
    let depth = 1
    for (const item of content) if (item.depth >= depth) depth = item.depth + 1
    if (depth > MOST_NESTED) {
      throw syntaxError(this.source, node.start, `at most ${MOST_NESTED} nested brackets`, 'more')
    }
    this.items.push(itemOf(node, depth))
  }

  /** `(x)`, `(x:1.3)` */
  private closeRound(open: Open, end: number): void {
    const { start, content } = this.content(open)
    const [colon, number] = [content.at(-2), content.at(-1)]
    const stated = colon?.mark === ':' && number?.raw === true && NUMBER.test(number.text)
    const weight = stated ? Number(number.text) : ROUND
    if (Math.abs(weight) > MOST_WEIGHT) {
      throw syntaxError(
        this.source,
        number?.start ?? start,
        `a weight from -${MOST_WEIGHT} to ${MOST_WEIGHT}`,
      )
    }
    const children = merged(stated ? content.slice(0, -2) : content)
    this.push({ type: 'weight', start, end, weight, children }, content)
  }

  /** `[a:b:0.4]`, `[a:0.4]`, `[a|b]`, `[x]` */
  private closeSquare(open: Open, end: number): void {
    const { start, content } = this.content(open)
    const node =
      scheduled(content, { start, end }) ??
      alternating(content, { start, end }) ??
      ({ type: 'weight', start, end, weight: SQUARE, children: merged(content) } as const)
    this.push(node, content)
  }
}

function scheduled(content: readonly Item[], span: { start: number; end: number }): ScheduleNode | null {
  const number = content.at(-1)
  const last = content.length - 2
  if (number?.raw !== true || content[last]?.mark !== ':' || !STEP.test(number.text)) return null
  const first = content.findIndex(({ mark }) => mark === ':')
  if (first < last && content.findIndex(({ mark }, place) => place > first && mark === ':') < last)
    return null
  const digits = number.text.trim()
  return {
    type: 'schedule',
    ...span,
    before: first < last ? merged(content.slice(0, first)) : [],
    after: merged(content.slice(first < last ? first + 1 : 0, last)),
    when: digits.includes('.') ? { fraction: Number(digits) } : { steps: Number(digits) },
  }
}

function alternating(content: readonly Item[], span: { start: number; end: number }): PromptNode | null {
  if (!content.some(({ mark }) => mark === '|')) return null
  const choices: Item[][] = [[]]
  let choice = choices[0]
  for (const item of content) {
    if (item.mark === '|') {
      choice = []
      choices.push(choice)
    } else choice?.push(item)
  }
  return { type: 'alternate', ...span, choices: choices.map(merged) }
}

const SPACE = /\s*/y

function skipSpace(text: string, from: number): number {
  SPACE.lastIndex = from
  SPACE.test(text)
  return SPACE.lastIndex
}

function itemOf(node: PromptNode, depth: number): Item {
  const { start, end } = node
  return { node, start, end, text: '', depth, mark: '', raw: false }
}

/** Neighbouring texts become one. */
function merged(items: readonly Item[]): readonly PromptNode[] {
  const [only] = items
  if (items.length === 1 && only !== undefined) {
    const { node, start, end, text } = only
    return [node ?? { type: 'text', start, end, text }]
  }
  const nodes: PromptNode[] = []
  let text = ''
  let [start, end] = [0, 0]
  const flush = () => {
    if (text !== '') nodes.push({ type: 'text', start, end, text })
    text = ''
  }
  for (const item of items) {
    if (item.node === null) {
      if (text === '') start = item.start
      end = item.end
      text += item.text
    } else {
      flush()
      nodes.push(item.node)
    }
  }
  flush()
  return nodes
}
