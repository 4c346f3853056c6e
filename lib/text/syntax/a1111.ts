/**
 * The language of AUTOMATIC1111's web UI: `(x)`, `[x]`, `(x:1.3)`, `BREAK`, `[a:b:0.4]`, `[a|b]`, `\(`. Whatever is not closed
 * is text.
 */

import { added } from './added'
import { syntaxError } from './position'
import {
  type BreakNode,
  MOST_NESTED,
  MOST_WEIGHT,
  type PromptNode,
  type PromptTree,
  type ScheduleNode,
  type TextNode,
} from './tree'

const ROUND = 1.1 // what one pair of brackets multiplies by
const SQUARE = 1 / 1.1

const SPECIAL = /[\\()[\]:|]/g
const BREAK = /(?<![\p{L}\p{N}_])BREAK(?![\p{L}\p{N}_])/gu
const NUMBER = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$/
const STEP = /^\s*(?:\d+(?:\.\d*)?|\.\d+)\s*$/

/** @throws PromptSyntaxError for nesting and weights out of all proportion, with the column. */
export function parseA1111(source: string): PromptTree {
  const children = new A1111Parser(source).nodes()
  const part = { start: 0, end: source.length, weight: 1, children }
  return { syntax: 'a1111', combine: 'one', normalized: true, parts: [part], loras: [] }
}

// What an item is: a character of `()[]:|` is its own mark.
const RAW = 'raw' // text without any escape
const ESCAPED = 'escaped'
const NODE = 'node'

/**
 * Brackets are text until their other half comes: then all since becomes one node. Every item is moved once. Items lie in
 * columns: an object for each would be most of what a first, not yet compiled reading takes.
 */
class A1111Parser {
  private readonly items: PromptNode[] = []
  private readonly marks: string[] = []
  private readonly depths: number[] = []
  /** Where brackets that may still close lie among the items. */
  private readonly opened: number[] = []
  private readonly count = { '(': 0, '[': 0 }

  constructor(private readonly source: string) {}

  nodes(): readonly PromptNode[] {
    const { source } = this
    let from = 0
    SPECIAL.lastIndex = 0
    while (SPECIAL.test(source)) {
      const at = SPECIAL.lastIndex - 1
      if (at > from) this.run(source.slice(from, at), from)
      from = this.take(source[at] as string, at)
      SPECIAL.lastIndex = from
    }
    if (from < source.length) this.run(source.slice(from), from)
    return this.merged(0, this.items.length)
  }

  /** A character that may mean something; says where the next one begins. */
  private take(mark: string, start: number): number {
    const end = start + 1
    if (mark === '\\') {
      this.text(this.source[end] ?? '', start, end + 1, ESCAPED)
      return end + 1
    }
    if (mark === '(' || mark === '[') {
      this.opened.push(this.items.length)
      this.count[mark] += 1
    }
    if (mark === ')' && this.count['('] > 0) this.closeRound(this.pop('('), end)
    else if (mark === ']' && this.count['['] > 0) this.closeSquare(this.pop('['), end)
    else this.text(mark, start, end, mark)
    return end
  }

  private text(text: string, start: number, end: number, mark: string): void {
    if (text !== '') this.push({ type: 'text', start, end, text }, mark, 0)
  }

  private push(node: PromptNode, mark: string, depth: number): void {
    this.items.push(node)
    this.marks.push(mark)
    this.depths.push(depth)
  }

  /** What stands between two characters that may mean something. */
  private run(token: string, start: number): void {
    if (token.includes('BREAK')) this.broken(token, start)
    else this.text(token, start, start + token.length, RAW)
  }

  /** Text with `BREAK`s in it, which take the white space around them along. */
  private broken(token: string, start: number): void {
    let from = 0
    for (const { index } of token.matchAll(BREAK)) {
      const before = token.slice(from, index).trimEnd()
      this.text(before, start + from, start + from + before.length, RAW)
      const after = index + 'BREAK'.length
      from = skipSpace(token, after)
      const node: BreakNode = { type: 'break', start: start + index, end: start + after }
      this.push(node, NODE, 0)
    }
    this.text(token.slice(from), start + from, start + token.length, RAW)
  }

  /** Where the last bracket of this kind lies; those of the other kind that opened since stay text. */
  private pop(bracket: '(' | '['): number {
    for (;;) {
      const place = this.opened.pop() as number
      const mark = this.marks[place] as '(' | '['
      this.count[mark] -= 1
      if (mark === bracket) return place
    }
  }

  /** Puts a node in the place of a bracket and all that came since. */
  private replace(place: number, node: PromptNode): void {
    let depth = 1
    while (this.items.length > place) {
      this.items.pop()
      this.marks.pop()
      depth = Math.max(depth, (this.depths.pop() as number) + 1)
    }
    if (depth > MOST_NESTED) {
      throw syntaxError(this.source, node.start, `at most ${MOST_NESTED} nested brackets`, 'more')
    }
    this.push(node, NODE, depth)
  }

  /** `(x)`, `(x:1.3)` */
  private closeRound(place: number, end: number): void {
    const start = this.startOf(place)
    const last = this.items.length - 1
    const digits = this.marks[last - 1] === ':' ? this.rawText(last, place) : null
    const stated = digits !== null && NUMBER.test(digits)
    const weight = stated ? Number(digits) : ROUND
    if (Math.abs(weight) > MOST_WEIGHT) {
      throw syntaxError(this.source, this.startOf(last), `a weight from -${MOST_WEIGHT} to ${MOST_WEIGHT}`)
    }
    const children = this.merged(place + 1, stated ? last - 1 : last + 1)
    this.replace(place, { type: 'weight', start, end, weight, children })
  }

  /** `[a:b:0.4]`, `[a:0.4]`, `[a|b]`, `[x]` */
  private closeSquare(place: number, end: number): void {
    const node = this.scheduled(place, end) ?? this.alternating(place, end) ?? this.lightened(place, end)
    this.replace(place, node)
  }

  private scheduled(place: number, end: number): ScheduleNode | null {
    const last = this.items.length - 1
    const digits = this.marks[last - 1] === ':' ? this.rawText(last, place) : null
    if (digits === null || !STEP.test(digits)) return null
    const first = this.marks.indexOf(':', place + 1)
    const isReplaced = first < last - 1 // `[after:0.4]` has one colon
    if (isReplaced && this.marks.indexOf(':', first + 1) < last - 1) return null
    return {
      type: 'schedule',
      start: this.startOf(place),
      end,
      before: isReplaced ? this.merged(place + 1, first) : [],
      after: this.merged(isReplaced ? first + 1 : place + 1, last - 1),
      when: digits.includes('.') ? { fraction: Number(digits) } : { steps: Number(digits) },
    }
  }

  private alternating(place: number, end: number): PromptNode | null {
    let bar = this.marks.indexOf('|', place + 1)
    if (bar === -1) return null
    const choices: (readonly PromptNode[])[] = []
    let from = place + 1
    for (; bar !== -1; bar = this.marks.indexOf('|', from)) {
      choices.push(this.merged(from, bar))
      from = bar + 1
    }
    choices.push(this.merged(from, this.items.length))
    return { type: 'alternate', start: this.startOf(place), end, choices }
  }

  private lightened(place: number, end: number): PromptNode {
    const children = this.merged(place + 1, this.items.length)
    return { type: 'weight', start: this.startOf(place), end, weight: SQUARE, children }
  }

  private startOf(place: number): number {
    return (this.items[place] as PromptNode).start
  }

  /** The text of an item without escapes that lies after a bracket. */
  private rawText(index: number, place: number): string | null {
    return index > place && this.marks[index] === RAW ? (this.items[index] as TextNode).text : null
  }

  /** Some items, of which neighbouring texts become one. */
  private merged(from: number, to: number): readonly PromptNode[] {
    if (to - from === 1) return [this.items[from] as PromptNode]
    let nodes: PromptNode[] | null = null
    for (let index = from; index < to; index++) {
      let node = this.items[index] as PromptNode
      if (node.type === 'text') {
        const { start } = node
        let { text, end } = node
        for (; index + 1 < to && this.items[index + 1]?.type === 'text'; index++) {
          const next = this.items[index + 1] as TextNode
          text += next.text
          end = next.end
        }
        if (end > node.end) node = { type: 'text', start, end, text }
      }
      nodes = added(nodes, node)
    }
    return nodes ?? []
  }
}

const SPACE = /\s*/y

function skipSpace(text: string, from: number): number {
  SPACE.lastIndex = from
  SPACE.test(text)
  return SPACE.lastIndex
}
