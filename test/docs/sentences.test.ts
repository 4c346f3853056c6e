/** Sentences of the manual are short: a reader whose second language this is reads them once. */
import { type Page, pages } from '../support/markdown'

const MOST_WORDS = 30 // a colon and a semicolon end a sentence, too

/** Prose alone: no code, comments, headings or tables; items of lists by themselves. */
function paragraphsOf({ text }: Page): string[] {
  const prose = text
    .replaceAll(/^( *)```.*?^\1```/gms, '')
    .replaceAll(/<!--.*?-->/gs, '')
    .replaceAll(/^#.*$/gm, '')
    .replaceAll(/^ *\|.*$/gm, '')
  return prose.split(/\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )/)
}

function sentencesOf(page: Page): string[] {
  return paragraphsOf(page).flatMap((paragraph) =>
    paragraph
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replaceAll(/`[^`]*`/g, 'code')
      .replaceAll(/\s+/g, ' ')
      .split(/(?<=[.!?:;][)*_"]*) /),
  )
}

const wordsOf = (sentence: string) => sentence.split(' ').filter((word) => /[\p{L}\p{N}]/u.test(word)).length

describe('sentences of the manual', () => {
  const all = pages().flatMap((page) => sentencesOf(page).map((sentence) => ({ file: page.file, sentence })))

  it('are found at all', () => expect(all.length).toBeGreaterThan(1000))

  it('are told apart', () => {
    const text =
      '# Heading of many words\n\nOne. Two [of](x.md) three: four; five `a b c`.\n\n| a | table |\n'
    expect(
      sentencesOf({ file: '', text })
        .filter((one) => wordsOf(one) > 0)
        .map(wordsOf),
    ).toEqual([1, 3, 1, 2])
  })

  it(`have at most ${MOST_WORDS} words`, () => {
    const long = all.filter(({ sentence }) => wordsOf(sentence) > MOST_WORDS)
    expect(long.map(({ file, sentence }) => `${file}: ${wordsOf(sentence)} words: ${sentence}`)).toEqual([])
  })
})
