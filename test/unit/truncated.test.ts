import { join } from 'node:path'
import fc from 'fast-check'
import { PromptSyntaxError } from '../../lib/errors'
import { PromptReader, type TextReader } from '../../lib/request/texts'
import { parsePrompt } from '../../lib/text/syntax/parse'
import { offsetOf } from '../../lib/text/syntax/position'
import {
  PROMPT_SYNTAXES,
  type PromptNode,
  type PromptSyntax,
  type TextNode,
} from '../../lib/text/syntax/tree'
import { loadTokenizer } from '../../lib/text/tokenizer'

const FAMILY = '\u{1f469}\u200d\u{1f469}\u200d\u{1f467}'

/** Six tokens of a text, and what stands around them. */
let short: TextReader
beforeAll(async () => {
  const limits = { maxPositions: 256, vocabularySize: 794 }
  const tokenizer = await loadTokenizer(join(__dirname, '../goldens/tokenizer'), limits)
  short = Object.assign(Object.create(tokenizer), { length: 8, channels: 8 })
})

/** What is told of a prompt whose end is not read. */
function cut(prompt: string, syntax: PromptSyntax): readonly string[] {
  const reading = { syntax, longPrompts: 'truncate', steps: 4, loras: null } as const
  const reader = new PromptReader({ prior: short, decoder: short }, reading)
  reader.pair({ name: 'prompt', prompt }, null)
  return reader.truncated.map(({ text }) => text)
}

describe('text that is cut', () => {
  it.each([
    ['plain', `a b c d e f Cafe\u0301  NOËL ${FAMILY} 漢字 ＦＵＬＬ\u3000width`, 'Cafe'],
    ['plain', `a b c d e Cafe\u0301 ${FAMILY} f`, FAMILY],
    ['plain', 'a b c d e (f)1.3 \\(g\\)', 'f)1.3'],
    ['compel', `a b c d e f Cafe\u0301  (NOËL)1.3 ${FAMILY} \\(漢字\\)\n Two++`, 'Cafe'],
    ['compel', 'a b c d e f (NOËL x)1.3 y', '(NOËL'],
    ['compel', 'a b c d e f ((NOËL)+ x)1.3 y', '((NOËL'],
    ['compel', 'a b c d e (f  NOËL x)1.3, y', 'NOËL'],
    ['compel', 'a \\(b\\) c "d"1.2, NOËL  x', ', NOËL'],
    ['compel', 'a (b c) d, "e" \\+ NOËL', '\\+'],
    ['compel', 'a "b" (c "d" e) f \\(g\\)', '\\(g'],
    ['compel', 'a cat.attend(1.5) b c, d NOËL.attend(0.5)  y', 'NOËL'],
    ['a1111', `a b c d e f Cafe\u0301  (NOËL:1.3) ${FAMILY} \\(漢字\\)  [Two]`, 'Cafe'],
    ['a1111', 'a b c d e f (NOËL:1.3) \\\\ x', '(NOËL'],
    ['a1111', 'a b c d e (f  NOËL x:1.3) y', 'NOËL'],
    ['a1111', '(a) \\(b\\) [c]d NOËL', 'NOËL'],
    ['a1111', 'a \\\\ \\\\ b c d \\\\ NOËL', '\\\\ NOËL'],
  ] as const)('is told as it is written: %s, %s', (syntax, prompt, start) => {
    expect(cut(prompt, syntax)).toEqual([prompt.slice(prompt.indexOf(start))])
  })

  it('is told from each place where the text encoders stop', () => {
    expect(cut('a b c d e f (NOËL:1.2) BREAK (1 2 3 4 5 6 \\(7\\) BREAK x:1.1)', 'a1111')).toEqual([
      '(NOËL:1.2) … \\(7\\)',
    ])
    expect(cut('("a b c d e f  NOËL+", "g", "1 2 3 4 5 (6 7)1.1").and()', 'compel')).toEqual([
      'NOËL+ … 7)1.1',
    ])
    expect(cut('a b c d e [f g:1:0.5] NOËL', 'a1111')).toEqual(['g:1:0.5] NOËL', 'NOËL'])
  })

  it.each(PROMPT_SYNTAXES)('is the end of the prompt, wherever that is cut: %s', (syntax) => {
    const units = [
      'e\u0301',
      FAMILY,
      '漢',
      '\uff21',
      '\\(',
      '(b)1.3 ',
      '"c d" ',
      '(e:1.1)',
      '(f\\)+:1.2) ',
      'g  \n',
    ]
    for (const unit of units) {
      for (const space of ['', ' ', '\u3000']) {
        const prompt = (unit + space).repeat(9)
        const [text = '', ...others] = cut(prompt, syntax)
        expect([prompt, text, others]).toEqual([prompt, expect.stringMatching(/./), []])
        expect([text, prompt.trim().slice(-text.length)]).toEqual([text, text])
      }
    }
  })
})

function textsIn(nodes: readonly PromptNode[]): readonly TextNode[] {
  return nodes.flatMap((node) => {
    if (node.type === 'text') return [node]
    return node.type === 'weight' ? textsIn(node.children) : []
  })
}

describe('offsetOf()', () => {
  const words = ['a', 'cat', 'e\u0301', FAMILY, '(b)', '(c d)1.2', '(e:1.2)', '[f]', '"g  h"', 'i+', ',', '.']
  const pieces = [...words, ' ', '\n ', '\\', '\\(', '\\)', '\\"', '\\[', '\\\\', '\\+', 'j(k)', 'l"m"']

  it.each(PROMPT_SYNTAXES)('finds every character of a text in the source: %s', (syntax) => {
    let texts = 0
    const property = fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 10 }), (some) => {
      const source = some.join('')
      for (const node of textsOf(source, syntax)) {
        const places = [...node.text.matchAll(/[^ ]/g)].map(({ index }) => index)
        const offsets = places.map((place) => offsetOf(source, node, place, syntax))
        expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b))
        const found = offsets.map((at, index) => {
          const wanted = node.text[places[index] as number] as string
          const written = source[at] === '\\' ? source.slice(at, at + 2) : source[at]
          return at < node.end && written?.includes(wanted) === true
        })
        expect([source, node, found]).toEqual([source, node, found.map(() => true)])
        texts += 1
      }
    })
    fc.assert(property, { numRuns: 5000, seed: 7 })
    expect(texts).toBeGreaterThan(2000)
  })
})

/** None of what cannot be read. */
function textsOf(source: string, syntax: PromptSyntax): readonly TextNode[] {
  try {
    return parsePrompt(source, { syntax }).parts.flatMap(({ children }) => textsIn(children))
  } catch (error) {
    if (error instanceof PromptSyntaxError) return []
    throw error
  }
}
