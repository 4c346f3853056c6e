import { PromptSyntaxError, show } from '../../errors'
import type { PromptSyntax, TextNode } from './tree'

/** `Expected ) for the ( but received the end of the prompt, at column 4`. Columns count whole characters from 1. */
export function syntaxError(
  source: string,
  offset: number,
  what: string,
  received?: string,
): PromptSyntaxError {
  const column = columnOf(source, offset)
  const found = received ?? foundAt(source, offset)
  return new PromptSyntaxError(`Expected ${what} but received ${found}, at column ${column}`, {
    details: { column, offset },
  })
}

/** Characters as Unicode counts them: an emoji is one, not two. */
export function columnOf(source: string, offset: number): number {
  return Array.from(source.slice(0, offset)).length + 1
}

const SHOWN = 20

function foundAt(source: string, offset: number): string {
  return offset >= source.length ? 'the end of the prompt' : show(source.slice(offset, offset + SHOWN))
}

const ESCAPES: Readonly<Record<PromptSyntax, RegExp | null>> = {
  plain: null,
  compel: /\\[()",.+\-=]/y,
  a1111: /\\./sy,
}

/**
 * Where in the source a character of a text stands. The source has more: backslashes of escapes, and, in compel, brackets,
 * quotes and white space that mean nothing; less only where compel puts a space.
 */
export function offsetOf(
  source: string,
  { text, start }: TextNode,
  index: number,
  syntax: PromptSyntax,
): number {
  const escaped = ESCAPES[syntax]
  let at = start
  for (let place = 0; place <= index; place++) {
    if (syntax === 'compel' && text[place] === ' ') continue
    for (;;) {
      const length = escaped !== null && matchesAt(escaped, source, at) ? 2 : 1
      const isFound = source[at + length - 1] === text[place] || at >= source.length
      if (isFound && place === index) return at
      at += length
      if (isFound) break
    }
  }
  return at
}

function matchesAt(pattern: RegExp, source: string, at: number): boolean {
  pattern.lastIndex = at
  return pattern.test(source)
}
