import { PromptSyntaxError } from '../../lib/errors'
import { parsePrompt } from '../../lib/text/syntax/parse'
import { printPrompt } from '../../lib/text/syntax/print'
import type { PromptSyntax, PromptTree } from '../../lib/text/syntax/tree'

/** A tree without its positions. */
function bare(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, one) => (key === 'start' || key === 'end' ? undefined : one)))
}

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
  ...['a', 'cat', 'é', '🐈', '\u{1f468}\u200d\u{1f469}', '\ud800', '0.5', '1.3', '3', ' ', ' ', 'BREAK', ' BREAK ', '\u00a0'],
  ...['.attend(', '.swap(', '.blend(', '.and(', '.add(', 'no_normalize', 'withLora(', 'useLora(x, 0.5)', 's_start=0.1'],
  ...['(cat)1.3', '"a dog"', '("a", "b")', '[a:b:0.4]', '[a|b]', '(x:1.2)', '++', '--', '\\(', '\\)', '\\"', '\\+'],
]

describe('200,000 random strings', () => {
  it.each(['compel', 'a1111'] as const)('%s: parse, or are refused with a column, and print as what they were', (syntax) => {
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
        throw new Error(`${JSON.stringify(text)} printed as ${JSON.stringify(printed)}:\n${JSON.stringify(bare(tree))}\n${JSON.stringify(again)}`)
      }
    }
    expect(counts.parsed).toBeGreaterThan(20_000)
    if (syntax === 'compel') expect(counts.refused).toBeGreaterThan(10_000)
  })
})
