/**
 * The language of AUTOMATIC1111's web UI: `(x)`, `[x]`, `(x:1.3)`, `BREAK`, `[a:b:0.4]`, `[a|b]`, `\(`. Whatever is not closed
 * is text.
 */

import { syntaxError } from './position'
import { type BreakNode, MOST_NESTED, MOST_WEIGHT, type PromptNode, type PromptTree, type ScheduleNode } from './tree'

const ROUND = 1.1 // what one pair of brackets multiplies by
const SQUARE = 1 / 1.1

const TOKEN = /\\[\s\S]?|[()[\]:|]|[^\\()[\]:|]+/g
const BREAK = /\s*(?<![\p{L}\p{N}_])BREAK(?![\p{L}\p{N}_])\s*/gu
const NUMBER = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$/
const STEP = /^\s*(?:\d+(?:\.\d*)?|\.\d+)\s*$/

/** A node, or a character that may turn out to mean something. */
type Item = { readonly node: PromptNode; readonly depth: number; readonly mark: string; readonly raw: boolean }

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
    for (const { 0: token, index } of this.source.matchAll(TOKEN)) this.take(token, index)
    return merged(this.items)
  }

  private take(token: string, start: number): void {
    const end = start + token.length
    if (token[0] === '\\') return this.text(token.slice(1), start, end, '', false)
    if (token === '(' || token === '[') {
      this.opened.push({ bracket: token, place: this.items.length })
      this.count[token] += 1
    }
    if (token === ')' && this.count['('] > 0) return this.closeRound(this.pop('('), end)
    if (token === ']' && this.count['['] > 0) return this.closeSquare(this.pop('['), end)
    if ('()[]:|'.includes(token)) return this.text(token, start, end, token, false)
    this.broken(token, start)
  }

  private text(text: string, start: number, end: number, mark: string, raw: boolean): void {
    if (text === '') return
    this.items.push({ node: { type: 'text', start, end, text }, depth: 0, mark, raw })
  }

  /** Text with `BREAK`s in it, which take the white space around them along. */
  private broken(token: string, start: number): void {
    let from = 0
    for (const { 0: found, index } of token.matchAll(BREAK)) {
      this.text(token.slice(from, index), start + from, start + index, '', true)
      from = index + found.length
      const node: BreakNode = { type: 'break', start: start + index, end: start + from }
      this.items.push({ node, depth: 0, mark: '', raw: false })
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
    const [opener, ...content] = this.items.splice(place)
    return { start: opener?.node.start ?? 0, content }
  }

  private push(node: PromptNode, content: readonly Item[]): void {
    const depth = 1 + content.reduce((most, item) => Math.max(most, item.depth), 0)
    if (depth > MOST_NESTED) {
      throw syntaxError(this.source, node.start, `at most ${MOST_NESTED} nested brackets`, 'more')
    }
    this.items.push({ node, depth, mark: '', raw: false })
  }

  /** `(x)`, `(x:1.3)` */
  private closeRound(open: Open, end: number): void {
    const { start, content } = this.content(open)
    const [colon, number] = content.slice(-2)
    const stated = colon?.mark === ':' && number?.raw === true && NUMBER.test(textOf(number))
    const weight = stated ? Number(textOf(number)) : ROUND
    if (Math.abs(weight) > MOST_WEIGHT) {
      throw syntaxError(this.source, number?.node.start ?? start, `a weight from -${MOST_WEIGHT} to ${MOST_WEIGHT}`)
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
  const places = content.flatMap(({ mark }, place) => (mark === ':' ? [place] : []))
  const last = places.at(-1)
  const isSchedule =
    number?.raw === true && last === content.length - 2 && places.length <= 2 && STEP.test(textOf(number))
  if (!isSchedule || last === undefined) return null
  const first = places.length === 2 ? (places[0] as number) : -1
  const digits = textOf(number).trim()
  return {
    type: 'schedule',
    ...span,
    before: merged(content.slice(0, Math.max(0, first))),
    after: merged(content.slice(first + 1, last)),
    when: digits.includes('.') ? { fraction: Number(digits) } : { steps: Number(digits) },
  }
}

function alternating(content: readonly Item[], span: { start: number; end: number }): PromptNode | null {
  const choices: Item[][] = [[]]
  for (const item of content) {
    if (item.mark === '|') choices.push([])
    else choices.at(-1)?.push(item)
  }
  if (choices.length === 1) return null
  return { type: 'alternate', ...span, choices: choices.map((choice) => merged(choice)) }
}

function textOf({ node }: Item): string {
  return node.type === 'text' ? node.text : ''
}

/** Neighbouring texts become one. */
function merged(items: readonly Item[]): readonly PromptNode[] {
  const nodes: PromptNode[] = []
  let texts: string[] = []
  let span = { start: 0, end: 0 }
  const flush = () => {
    if (texts.length > 0) nodes.push({ type: 'text', ...span, text: texts.join('') })
    texts = []
  }
  for (const { node } of items) {
    if (node.type === 'text') {
      span = { start: texts.length === 0 ? node.start : span.start, end: node.end }
      texts.push(node.text)
    } else {
      flush()
      nodes.push(node)
    }
  }
  flush()
  return nodes
}
