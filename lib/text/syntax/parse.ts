import { expected, show } from '../../errors'
import { parseA1111 } from './a1111'
import { parseCompel } from './compel'
import { PROMPT_SYNTAXES, type PromptSyntax, type PromptTree } from './tree'

/**
 * Reads a prompt in one of the syntaxes, plain by default.
 * @returns a tree that `printPrompt()` writes as text again; positions in it count UTF-16 units from 0.
 * @throws PromptSyntaxError, whose `details.column` counts characters from 1; InvalidArgumentError.
 */
export function parsePrompt(
  text: string,
  options: { readonly syntax?: PromptSyntax | undefined } = {},
): PromptTree {
  if (typeof text !== 'string') throw expected('prompt', 'a string', text)
  if (typeof options !== 'object' || options === null) throw expected('options', 'an object', options)
  const [unknown] = Object.keys(options).filter((name) => name !== 'syntax')
  if (unknown !== undefined) throw expected('options', 'of syntax alone', unknown)
  const { syntax = 'plain' } = options
  switch (checkSyntax('syntax', syntax)) {
    case 'compel':
      return parseCompel(text)
    case 'a1111':
      return parseA1111(text)
    case 'plain':
      return parsePlain(text)
  }
}

export function checkSyntax(name: string, value: unknown): PromptSyntax {
  if (PROMPT_SYNTAXES.includes(value as PromptSyntax)) return value as PromptSyntax
  throw expected(name, `one of ${PROMPT_SYNTAXES.map(show).join(', ')}`, value)
}

function parsePlain(text: string): PromptTree {
  const span = { start: 0, end: text.length }
  const children = text === '' ? [] : [{ type: 'text' as const, ...span, text }]
  const part = { ...span, weight: 1, children }
  return { syntax: 'plain', combine: 'one', normalized: true, parts: [part], loras: [] }
}
