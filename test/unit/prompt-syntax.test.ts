import { PromptSyntaxError } from '../../lib/errors'
import { changesOf, fragmentsOf } from '../../lib/text/fragments'
import { parsePrompt } from '../../lib/text/syntax/parse'
import type { PromptSyntax, PromptTree } from '../../lib/text/syntax/tree'
import { bare } from '../support/prompt-trees'

/** One child as a short list: `['cat', 1.1]` is a weighted cat. */
function short(tree: PromptTree): unknown {
  return tree.parts.map(({ children }) => bare(children))
}

function refusal(text: string, syntax: PromptSyntax): PromptSyntaxError {
  try {
    parsePrompt(text, { syntax })
  } catch (error) {
    if (error instanceof PromptSyntaxError) return error
    throw error
  }
  throw new Error(`${text} was parsed`)
}

describe('compel', () => {
  const weight = (weight: number, ...children: unknown[]) => ({ type: 'weight', weight, children })
  const text = (text: string) => ({ type: 'text', text })

  it.each([
    ['word++', [weight(1.1 ** 2, text('word'))]],
    ['(two words)1.3', [weight(1.3, text('two words'))]],
    ['(a (big cat)+)++', [weight(1.1 ** 2, text('a'), weight(1.1, text('big cat')))]],
    ['cat1.3, (cat)-1', [text('cat1.3,'), weight(0.9, text('cat')), text('1')]],
    ['C\\+\\+ and cat(s) + more', [text('C++ and cat(s) + more')]],
    ['c++ code', [weight(1.1 ** 2, text('c')), text('code')]],
    ['(a + b)1.2', [weight(1.2, text('a + b'))]],
    [
      'cat.swap(dog, s_start=0.5)',
      [{ type: 'swap', original: [text('cat')], edited: [text('dog')], options: { s_start: 0.5 } }],
    ],
  ])('reads %s', (source, children) => {
    expect(short(parsePrompt(source, { syntax: 'compel' }))).toEqual([children])
  })

  it.each([
    ['a (cat', 3, 'Expected ) for the ('],
    ['a 🐈 cat) b', 8, 'Expected no ) without a ('],
    ['a "cat', 3, 'Expected a second "'],
    ['foo(bar baz)1.3', 4, 'Expected its other half in the same word'],
    ['(cat)200', 6, 'Expected a weight from 0 to 100'],
    ['cat.attend(-0.5)', 12, 'Expected a weight such as 1.3'],
    ['("a", "b").blend(1)', 18, 'Expected 2 weights, one for each prompt, or none'],
    ['("a", "b").blend(1, 1) c', 24, 'Expected nothing beside .blend()'],
    ['a ("b", "c").and()  d', 1, 'Expected nothing beside .and()'],
    ['("a", "b".swap(c)).blend()', 7, 'Expected no .swap() in a .blend()'],
    ['cat withLora()', 14, 'Expected withLora(name)'],
    [`${'('.repeat(101)}a${')'.repeat(101)}`, 101, 'Expected at most 100 nested brackets'],
  ])('refuses %s at column %i', (source, column, message) => {
    const error = refusal(source, 'compel')
    expect(error.message).toContain(message)
    expect(error.details).toMatchObject({ column })
  })

  it('knows where everything stands', () => {
    const source = 'a (cat)1.3, "dog"++'
    const nodes = parsePrompt(source, { syntax: 'compel' }).parts[0]?.children ?? []
    expect(nodes.map(({ start, end }) => source.slice(start, end))).toEqual(['a', '(cat)1.3', ',', '"dog"++'])
  })
})

/** What is left of a schedule at each step, as the web UI's own documentation writes it. */
function turns(source: string, steps: number): [number, string][] {
  const tree = parsePrompt(source, { syntax: 'a1111' })
  const froms = changesOf(tree, steps)
  return froms.map((step, index) => {
    const [fragments = []] = fragmentsOf(tree.parts[0]?.children ?? [], 'a1111', { step, steps })
    return [(froms[index + 1] ?? steps + 1) - 1, fragments.map(({ text }) => text).join('')]
  })
}

describe('a1111', () => {
  const weighted = (source: string) => {
    const [part] = parsePrompt(source, { syntax: 'a1111' }).parts
    return fragmentsOf(part?.children ?? [], 'a1111', { step: 1, steps: 1 }).map((section) =>
      section.map(({ text, weight }) => [text, Number(weight.toFixed(6))]),
    )
  }

  it.each([
    ['normal text', [[['normal text', 1]]]],
    [
      'an (important) word',
      [
        [
          ['an ', 1],
          ['important', 1.1],
          [' word', 1],
        ],
      ],
    ],
    ['(unnecessary)(parens)', [[['unnecessaryparens', 1.1]]]],
    ['\\(literal\\]', [[['(literal]', 1]]]],
    [
      'a ((house:1.3)) [on] a (hill:0.5), ((sky)).',
      [
        [
          ['a ', 1],
          ['house', 1.43],
          [' ', 1],
          ['on', 0.909091],
          [' a ', 1],
          ['hill', 0.5],
          [', ', 1],
          ['sky', 1.21],
          ['.', 1],
        ],
      ],
    ],
    ['a BREAK b, BREAKER', [[['a', 1]], [['b, BREAKER', 1]]]],
    ['(a: b:1.5)', [[['a: b', 1.5]]]],
    ['(x:-0.5)', [[['x', -0.5]]]],
    // What is not closed is text.
    ['(unbalanced', [[['(unbalanced', 1]]]],
    [
      'a) [b ((c)',
      [
        [
          ['a) [b (', 1],
          ['c', 1.1],
        ],
      ],
    ],
    [
      '([a)]',
      [
        [
          ['[a', 1.1],
          [']', 1],
        ],
      ],
    ],
  ])('reads %s', (source, sections) => {
    expect(weighted(source)).toEqual(sections)
  })

  it.each([
    ['test', [[10, 'test']]],
    [
      'a [b:3]',
      [
        [3, 'a '],
        [10, 'a b'],
      ],
    ],
    [
      'a [b: 3]',
      [
        [3, 'a '],
        [10, 'a b'],
      ],
    ],
    [
      '[a:3]',
      [
        [3, ''],
        [10, 'a'],
      ],
    ],
    [
      'a [b : c : 1] d',
      [
        [1, 'a b  d'],
        [10, 'a  c  d'],
      ],
    ],
    [
      'a[b:[c:d:2]:1]e',
      [
        [1, 'abe'],
        [2, 'ace'],
        [10, 'ade'],
      ],
    ],
    ['a [unbalanced', [[10, 'a [unbalanced']]],
    [
      'a [b:.5] c',
      [
        [5, 'a  c'],
        [10, 'a b c'],
      ],
    ],
    [
      'a [b:0.99]',
      [
        [9, 'a '],
        [10, 'a b'],
      ],
    ],
    ['[fe|]male', [...Array(10).keys()].map((index) => [index + 1, index % 2 ? 'male' : 'female'])],
  ])('%s changes with the steps', (source, expected) => {
    expect(turns(source, 10)).toEqual(expected)
  })
})
