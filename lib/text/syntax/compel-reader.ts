import type { PromptSyntaxError } from '../../errors'
import { syntaxError } from './position'
import type { PromptNode, PromptPart, Span, TextNode } from './tree'

/** What a bracket or a quote holds, before it is known what becomes of it. */
export interface Group extends Span {
  readonly type: 'group'
  readonly items: readonly Item[]
}

export interface Comma extends Span {
  readonly type: 'comma'
}

/** `(…).blend(…)`, `(…).and(…)`: the whole prompt, if nothing stands beside it. */
export interface Combined extends Span {
  readonly type: 'combined'
  readonly operator: string
  readonly combine: 'blend' | 'and'
  readonly normalized: boolean
  readonly parts: readonly PromptPart[]
}

export type Item = PromptNode | Group | Comma | Combined

/** A run of + or of -. */
export interface Signs {
  readonly sign: string
  readonly count: number
}

// A word, as Compel has it: escaped characters, + and - inside of it, and all that means nothing.
const WORD = /(?:\\[()",.+\-=]|[-+](?![\s()",.+\-=]|$)|[^\s()",.+\-=])+/y
const SIGNS = /\++|-+/y
const NUMBER = /[+-]?(?:\d+\.\d*|\.\d+)|-?\d+/y
const OPERATOR = /\s*\.(attend|swap)\s*\(/y
const COMBINATION = /\s*\.(blend|and|add)\s*\(/y
const LORA = /(?:withLora|useLora)\s*\(\s*/y
const NAME = /[\w.-]+/y
const COMMA = /\s*,\s*/y
const CLOSES = /\s*\)/y
const OPTION = /([\w-]+)\s*=\s*([\w.+-]+)/y
const SPACE = /\s+/y
const WHITE = /\s/
const ESCAPED = /\\([()",.+\-=])/g

/** Reads the pieces of Compel's language from one place after the other; null, and no step ahead, where there is no such piece. */
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
    this.match(SPACE)
  }

  word(): string | null {
    return this.match(WORD)?.[0] ?? null
  }

  /** Whether what stands here may belong to the bracket, quote or word before it. */
  goesOn(): boolean {
    const next = this.peek()
    return next !== '' && !'"(),'.includes(next)
  }

  signs(): Signs | null {
    const signs = this.match(SIGNS)?.[0]
    return signs === undefined ? null : { sign: signs[0] as string, count: signs.length }
  }

  number(): number | null {
    const digits = this.match(NUMBER)?.[0]
    return digits === undefined ? null : Number(digits)
  }

  operator(): 'attend' | 'swap' | null {
    return (this.match(OPERATOR)?.[1] as 'attend' | 'swap' | undefined) ?? null
  }

  combination(): 'blend' | 'and' | 'add' | null {
    return (this.match(COMBINATION)?.[1] as 'blend' | 'and' | 'add' | undefined) ?? null
  }

  lora(): string | null {
    return 'wu'.includes(this.peek()) ? (this.match(LORA)?.[0] ?? null) : null
  }

  name(): string | null {
    return this.match(NAME)?.[0] ?? null
  }

  comma(): boolean {
    return this.match(COMMA) !== null
  }

  closes(): boolean {
    return this.match(CLOSES) !== null
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

  /** In brackets and quotes: a word, or one character that means nothing where it stands. */
  innerWord(): TextNode | Comma {
    const start = this.at
    if (this.word() === null) this.at += 1
    if (this.source[start] === ',') return { type: 'comma', start, end: this.at }
    return this.text(start)
  }

  /**
   * Outside of them: all up to white space or after a comma; brackets and quotes in the midst of it are text, as in
   * `cat(s)`, if they are pairs.
   */
  freeWord(): TextNode {
    const start = this.at
    if (this.peek() === '.' && (this.operator() !== null || this.combination() !== null)) {
      throw this.refuse(start, 'a word, a quote or brackets right before an operator')
    }
    const open: number[] = []
    let quote = -1
    for (let next = this.peek(); next !== '' && !WHITE.test(next); next = this.peek()) {
      const at = this.at
      this.at += this.escapes() ? 2 : 1
      if (this.at > at + 1) continue
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

  private escapes(): boolean {
    return this.peek() === '\\' && '()",.+-='.includes(this.source[this.at + 1] ?? ' ')
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.source)
    if (found !== null) this.at = pattern.lastIndex
    return found
  }
}
