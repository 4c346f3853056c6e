/** From a tree back to text: parsing it again gives the same tree but for positions. */

import { expected } from '../../errors'
import { PROMPT_SYNTAXES, type PromptNode, type PromptTree, type ScheduleNode } from './tree'

/** @throws InvalidArgumentError for what is no tree of `parsePrompt()`. */
export function printPrompt(tree: PromptTree): string {
  if (!PROMPT_SYNTAXES.includes((tree as PromptTree | null | undefined)?.syntax as never))
    throw expected('tree', 'a tree of parsePrompt()', tree)
  try {
    return printed(tree)
  } catch (error) {
    // A tree may come from anywhere: what it lacks, or how deep it is, shows only on the way.
    if (error instanceof TypeError || error instanceof RangeError)
      throw expected('tree', 'a tree as parsePrompt() makes them', tree)
    throw error
  }
}

function printed(tree: PromptTree): string {
  const [first] = tree.parts
  const nodes = first?.children ?? []
  switch (tree.syntax) {
    case 'plain':
      return nodes.map((node) => (node.type === 'text' ? node.text : '')).join('')
    case 'a1111':
      return printA1111(nodes, false)
    case 'compel':
      return tree.combine === 'one' ? printCompel(nodes, true) : printCombined(tree)
  }
}

/** As digits and a point alone: neither syntax reads exponents. */
function decimal(value: number): string {
  const [digits = '', exponent] = String(value).split('e')
  if (exponent === undefined) return digits
  const [whole = '', fraction = ''] = digits.replace('-', '').split('.')
  const shift = Number(exponent)
  const sign = value < 0 ? '-' : ''
  if (shift < 0) return `${sign}0.${'0'.repeat(-shift - whole.length)}${whole}${fraction}`
  return `${sign}${whole}${fraction}${'0'.repeat(shift - fraction.length)}`
}

// ------------------------------------------------------------------------------------------------------- compel

function printCombined({ combine, normalized, parts, loras }: PromptTree): string {
  const members = parts.map(({ children }) => `"${closed(printCompel(children, false))}"`)
  const weights = parts.map(({ weight }) => decimal(weight))
  const given = combine === 'blend' && !normalized ? [...weights, 'no_normalize'] : weights
  const combined = `(${members.join(', ')}).${combine}(${given.join(', ')})`
  return [combined, ...loras.map((node) => printCompelNode(node, true))].join(' ')
}

function printCompel(nodes: readonly PromptNode[], top: boolean): string {
  return nodes.map((node) => printCompelNode(node, top)).join(' ')
}

function printCompelNode(node: PromptNode, top: boolean): string {
  switch (node.type) {
    case 'text':
      return node.text
        .split(' ')
        .map((word) => escapedWord(word, top))
        .join(' ')
    case 'weight':
      return `(${closed(printCompel(node.children, false))})${decimal(node.weight)}`
    case 'lora':
      return `withLora(${node.name}${node.weight === null ? '' : `, ${decimal(node.weight)}`})`
    case 'swap': {
      const options = Object.entries(node.options).map(([name, value]) => {
        return `, ${name}=${typeof value === 'number' ? decimal(value) : value}`
      })
      const [original, edited] = [node.original, node.edited].map((one) => closed(printCompel(one, false)))
      return `(${original}).swap((${edited})${options.join('')})`
    }
    default:
      return ''
  }
}

/** A backslash at the end would escape the bracket that comes next. */
function closed(text: string): string {
  return text.endsWith('\\') ? `${text} ` : text
}

const MEANING = '()",.+-='

/** A backslash before each character of a word that would mean something else where it stands. */
function escapedWord(word: string, top: boolean): string {
  if (word.length === 1 && ',.+-='.includes(word)) return word
  const characters = word.split('')
  return characters.map((_, at) => (isPlain(characters, at, top) ? '' : '\\') + characters[at]).join('')
}

function isPlain(word: readonly string[], at: number, top: boolean): boolean {
  const [character = '', next = ''] = [word[at], word[at + 1]]
  if (!MEANING.includes(character)) return true
  if (word[at - 1] === '\\' || '()"'.includes(character)) return false
  // Signs belong to a word if more of it follows.
  if ('+-'.includes(character)) return next !== '' && !MEANING.includes(next)
  if (!top) return false
  return character === ',' ? next === '' : character === '=' || at > 0
}

// -------------------------------------------------------------------------------------------------------- a1111

function printA1111(nodes: readonly PromptNode[], inside: boolean): string {
  return nodes.map((node, place) => printA1111Node(node, inside, nodes, place)).join('')
}

function printA1111Node(
  node: PromptNode,
  inside: boolean,
  nodes: readonly PromptNode[],
  place: number,
): string {
  switch (node.type) {
    case 'text': {
      const text = escapedText(node.text, inside)
      const start = nodes[place - 1]?.type === 'break' ? text.replace(/^\s/, '\\$&') : text
      // White space that a BREAK would swallow. The first backslash of a pair is the escape of the second.
      return nodes[place + 1]?.type === 'break' ? start.replace(/(?<!^\\)\s$/, '\\$&') : start
    }
    case 'weight':
      return `(${printA1111(node.children, true)}:${decimal(node.weight)})`
    case 'break':
      return ' BREAK '
    case 'schedule':
      return `[${printA1111(node.before, true)}:${printA1111(node.after, true)}:${printWhen(node.when)}]`
    case 'alternate':
      return `[${node.choices.map((choice) => printA1111(choice, true)).join('|')}]`
    default:
      return ''
  }
}

function escapedText(text: string, inside: boolean): string {
  const escaped = text.replace(inside ? /[\\()[\]:|]/g : /[\\()[\]]/g, '\\$&')
  return escaped.replace(/(?<![\p{L}\p{N}_])BREAK(?![\p{L}\p{N}_])/gu, '\\$&')
}

function printWhen(when: ScheduleNode['when']): string {
  if ('steps' in when) return decimal(when.steps)
  const digits = decimal(when.fraction)
  return digits.includes('.') ? digits : `${digits}.0`
}
