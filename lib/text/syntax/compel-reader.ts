import type { PromptSyntaxError } from '../../errors'
import { syntaxError } from './position'
import type { PromptNode, PromptPart, Span, TextNode } from './tree'

/** What a bracket or a quote holds, before it is known what becomes of it. */
export interface Group extends Span {
  readonly type: 'group'
  readonly items: readonly Item[]
}

interface Comma extends Span {
  readonly type: 'comma'
}

/** `(…).blend(…)`, `(…).and(…)`: the whole prompt, if nothing stands beside it. */
interface Combined extends Span {
  readonly type: 'combined'
  readonly operator: string
  readonly combine: 'blend' | 'and'
  readonly normalized: boolean
  readonly parts: readonly PromptPart[]
}

export type Item = PromptNode | Group | Comma | Combined

type Operator = 'attend' | 'swap' | 'blend' | 'and' | 'add'

// A word, as Compel has it: escaped characters, + and - inside of it, and all that means nothing.
const WORD = /(?:\\[()",.+\-=]|[-+](?![\s()",.+\-=]|$)|[^\s()",.+\-=])+/y
const NUMBER = /[+-]?(?:\d+\.\d*|\.\d+)|-?\d+/y
const OPERATOR = /\s*\.(attend|swap|blend|and|add)\s*\(/y
const LORA = /(?:withLora|useLora)\s*\(\s*/y
const NAME = /[\w.-]+/y
const COMMA = /\s*,\s*/y
const CLOSES = /\s*\)/y
const OPTION = /([\w-]+)\s*=\s*([\w.+-]+)/y
const WHITE = /\s/
// What a word outside of brackets and quotes is made of between brackets, quotes and commas.
const RUN = /(?:\\[()",.+\-=]?|[^\s()",\\])+/y
const ESCAPED = /\\([()",.+\-=])/g

/**
 * Reads the pieces of Compel's language from one place after the other; null, and no step ahead, where there is no such piece.
 * A first reading is not compiled yet: most of what it takes is patterns that are tried and lists of what they match. So
 * patterns are tried only where they may fit, and tested rather than executed where the place they end at says all.
 */
export class CompelReader {
  at = 0

  constructor(private readonly source: string) {}

  peek(): string {
    return this.source[this.at] ?? ''
  }

  refuse(offset: number, what: string, received?: string): PromptSyntaxError {
    return syntaxError(this.source, offset, what, received)
  }

  skipSpace(): void {
    while (isWhite(this.peek())) this.at += 1
  }

  word(): boolean {
    return this.passes(WORD)
  }

  /** How many + there are, or, below 0, how many -. */
  signs(): number | null {
    const [start, sign] = [this.at, this.peek()]
    if (sign !== '+' && sign !== '-') return null
    while (this.peek() === sign) this.at += 1
    return sign === '+' ? this.at - start : start - this.at
  }

  number(): number | null {
    const start = this.at
    const isNumber = '+-.0123456789'.includes(this.peek()) && this.passes(NUMBER)
    return isNumber ? Number(this.source.slice(start, this.at)) : null
  }

  operator(): Operator | null {
    const next = this.peek()
    if (next !== '.' && !isWhite(next)) return null
    return (this.match(OPERATOR)?.[1] as Operator | undefined) ?? null
  }

  lora(): boolean {
    return 'wu'.includes(this.peek()) && this.passes(LORA)
  }

  name(): string | null {
    const start = this.at
    return this.passes(NAME) ? this.source.slice(start, this.at) : null
  }

  comma(): boolean {
    return this.passes(COMMA)
  }

  closes(): boolean {
    return this.passes(CLOSES)
  }

  /** `s_start=0.1` */
  option(): { readonly name: string; readonly value: number | string } | null {
    const [, name, value] = this.match(OPTION) ?? []
    if (name === undefined || value === undefined) return null
    return { name, value: Number.isFinite(Number(value)) ? Number(value) : value }
  }

  /** The weights of `.blend(` or `.and(`, and its closing bracket. */
  weights(operator: string): { readonly weights: readonly number[]; readonly normalized: boolean } {
    const weights: number[] = []
    this.skipSpace()
    while (!this.closes()) {
      const start = this.at
      if (weights.length > 0 && !this.comma()) throw this.refuse(start, ', or ) after a weight')
      const at = this.at
      const weight = this.number()
      if (weight === null && operator === 'blend' && this.name() === 'no_normalize' && this.closes()) {
        return { weights, normalized: false }
      }
      if (weight === null) throw this.refuse(at, `a weight of .${operator}()`)
      weights.push(weight)
    }
    return { weights, normalized: true }
  }

  /** The text from there to here, without the backslashes of escapes. */
  text(start: number, end = this.at): TextNode {
    const source = this.source.slice(start, end)
    const text = source.includes('\\') ? source.replace(ESCAPED, '$1') : source
    return { type: 'text', start, end, text }
  }

  /** One character that means nothing where it stands in brackets or quotes. */
  innerCharacter(): TextNode | Comma {
    const start = this.at
    this.at += 1
    if (this.source[start] === ',') return { type: 'comma', start, end: this.at }
    return this.text(start)
  }

  /**
   * Outside of them: all up to white space or after a comma; brackets and quotes in the midst of it are text, as in
   * `cat(s)`, if they are pairs.
   */
  freeWord(): TextNode {
    const start = this.at
    if (this.operator() !== null) {
      throw this.refuse(start, 'a word, a quote or brackets right before an operator')
    }
    const open: number[] = []
    let quote = -1
    for (;;) {
      this.passes(RUN)
      if (this.atWordEnd()) break
      const at = this.at
      const next = this.peek()
      this.at += 1
      if (next === '"') quote = quote < 0 ? at : -1
      if (next === '(') open.push(at)
      if (next === ')' && open.pop() === undefined) throw this.refuse(at, 'no ) without a ( before it')
      if (next === ',' && open.length === 0 && quote < 0) break
    }
    const [unclosed = quote] = open
    if (unclosed >= 0)
      throw this.refuse(
        unclosed,
        'its other half in the same word (write a backslash before it for the character)',
      )
    return this.text(start)
  }

  /** Whether white space or nothing follows. */
  atWordEnd(): boolean {
    const next = this.peek()
    return next === '' || isWhite(next)
  }

  private passes(pattern: RegExp): boolean {
    pattern.lastIndex = this.at
    if (!pattern.test(this.source)) return false
    this.at = pattern.lastIndex
    return true
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.source)
    if (found !== null) this.at = pattern.lastIndex
    return found
  }
}

function isWhite(character: string): boolean {
  return character === ' ' || ((character < ' ' || character > '~') && WHITE.test(character))
}
