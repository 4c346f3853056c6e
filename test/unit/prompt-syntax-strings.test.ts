/** Strings that nobody would write: random ones, and long ones. */
import { PromptSyntaxError } from '../../lib/errors'
import { parsePrompt } from '../../lib/text/syntax/parse'
import { printPrompt } from '../../lib/text/syntax/print'
import type { PromptTree } from '../../lib/text/syntax/tree'
import { bare } from '../support/prompt-trees'

/** Mulberry32: the same strings on every machine. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const PIECES = [
  ...'()[]"\\+-.,=:| \t\n:1'.split(''),
  ...[
    'a',
    'cat',
    'é',
    '🐈',
    '\u{1f468}\u200d\u{1f469}',
    '\ud800',
    '0.5',
    '1.3',
    '3',
    ' ',
    ' ',
    'BREAK',
    ' BREAK ',
    '\u00a0',
  ],
  ...[
    '.attend(',
    '.swap(',
    '.blend(',
    '.and(',
    '.add(',
    'no_normalize',
    'withLora(',
    'useLora(x, 0.5)',
    's_start=0.1',
  ],
  ...[
    '(cat)1.3',
    '"a dog"',
    '("a", "b")',
    '[a:b:0.4]',
    '[a|b]',
    '(x:1.2)',
    '++',
    '--',
    '\\(',
    '\\)',
    '\\"',
    '\\+',
  ],
]

describe('200,000 random strings', () => {
  it.each(['compel', 'a1111'] as const)(
    '%s: parse, or are refused with a column, and print as what they were',
    (syntax) => {
      const random = randomOf(7)
      const counts = { parsed: 0, refused: 0 }
      for (let turn = 0; turn < 100_000; turn++) {
        const length = Math.floor(random() * 12)
        const text = Array.from({ length }, () => PIECES[Math.floor(random() * PIECES.length)]).join('')
        let tree: PromptTree
        try {
          tree = parsePrompt(text, { syntax })
        } catch (error) {
          if (!(error instanceof PromptSyntaxError)) throw new Error(`${JSON.stringify(text)}: ${error}`)
          if (!((error.details?.column as number) >= 1)) throw new Error(`${JSON.stringify(text)}: no column`)
          counts.refused += 1
          continue
        }
        counts.parsed += 1
        const printed = printPrompt(tree)
        let again: unknown
        try {
          again = bare(parsePrompt(printed, { syntax }))
        } catch (error) {
          throw new Error(`${JSON.stringify(text)} printed as ${JSON.stringify(printed)}: ${error}`)
        }
        // Compared as text: a hundred thousand deep comparisons take their time.
        if (JSON.stringify(again) !== JSON.stringify(bare(tree))) {
          throw new Error(
            `${JSON.stringify(text)} printed as ${JSON.stringify(printed)}:\n${JSON.stringify(bare(tree))}\n${JSON.stringify(again)}`,
          )
        }
      }
      expect(counts.parsed).toBeGreaterThan(20_000)
      if (syntax === 'compel') expect(counts.refused).toBeGreaterThan(10_000)
    },
  )
})

describe('100,000 characters', () => {
  const SOURCES = [
    'cat ',
    '(cat)1.3 ',
    '(',
    ')',
    '"a b" ',
    'cat+ ',
    'a',
    '\\',
    '[a|b]',
    '[a:b:0.4] ',
    '(a:1.3)',
    ' ',
    '+',
    ':',
    '((a',
    'BREAK ',
    '|',
    '[a|',
    '"a",',
    'a.b ',
    '.attend(',
  ]
  it.each(SOURCES)('of %s are read in time that grows with their number alone', (piece) => {
    const source = piece.repeat(100_000 / piece.length)
    for (const syntax of ['compel', 'a1111'] as const) {
      const times = Array.from({ length: 5 }, () => {
        const started = process.cpuUsage()
        try {
          parsePrompt(source, { syntax })
        } catch (error) {
          if (!(error instanceof PromptSyntaxError)) throw error
        }
        const { user, system } = process.cpuUsage(started)
        return (user + system) / 1000
      })
      // Under 50 ms on a quiet machine, also as a process's first (npm run bench:parse); time that grew with the square would be minutes.
      expect(Math.min(...times)).toBeLessThan(500)
    }
  })
})
