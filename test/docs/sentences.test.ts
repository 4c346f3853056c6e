/** Sentences are short wherever a user looks: a reader whose second language this is reads them once. */
import { pages } from '../support/markdown'
import { ensureDist, runCli } from '../support/node-process'
import { docComments, helpTexts, messages, type Prose } from '../support/prose'

const MOST_WORDS = 24 // a colon and a semicolon end no sentence

/** Prose alone: no code, comments, headings or tables; items of lists by themselves. */
function paragraphsOf(text: string): string[] {
  const prose = text
    .replaceAll(/^( *)```.*?^\1```/gms, '')
    .replaceAll(/<!--.*?-->/gs, '')
    .replaceAll(/^#.*$/gm, '')
    .replaceAll(/^ *\|.*$/gm, '')
  return prose.split(/\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )/)
}

function sentencesOf(text: string): string[] {
  return paragraphsOf(text).flatMap((paragraph) =>
    paragraph
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replaceAll(/`[^`]*`/g, 'code')
      .replaceAll(/\s+/g, ' ')
      .split(/(?<=[.!?][)*_"]*) /),
  )
}

const wordsOf = (sentence: string) => sentence.split(' ').filter((word) => /[\p{L}\p{N}]/u.test(word)).length

const longIn = (prose: readonly Prose[]) =>
  prose.flatMap(({ where, text }) =>
    sentencesOf(text)
      .filter((sentence) => wordsOf(sentence) > MOST_WORDS)
      .map((sentence) => `${where}: ${wordsOf(sentence)} words: ${sentence}`),
  )

describe('sentences', () => {
  it('are told apart', () => {
    const text =
      '# Heading of many words\n\nOne. Two [of](x.md) three: four; five `a b c`.\n\n| a | table |\n'
    expect(
      sentencesOf(text)
        .filter((one) => wordsOf(one) > 0)
        .map(wordsOf),
    ).toEqual([1, 6])
  })

  it(`of the manual have at most ${MOST_WORDS} words`, () => {
    const manual = pages().map(({ file, text }) => ({ where: file, text }))
    expect(manual.flatMap(({ text }) => sentencesOf(text)).length).toBeGreaterThan(1000)
    expect(longIn(manual)).toEqual([])
  })

  it.each([
    ['lib/index.ts', 250],
    ['lib/ai-sdk/index.ts', 5],
    ['lib/server/index.ts', 15],
    ['lib/queue/index.ts', 15],
  ])(`of doc comments behind %s have at most ${MOST_WORDS} words`, (door, least) => {
    const comments = docComments(door)
    expect(comments.length).toBeGreaterThan(least)
    expect(longIn(comments)).toEqual([])
  })

  it(`of errors, warnings and commands have at most ${MOST_WORDS} words`, () => {
    const texts = messages()
    expect(texts.length).toBeGreaterThan(500)
    expect(texts.some(({ text }) => text.startsWith('Expected '))).toBe(true)
    expect(longIn(texts)).toEqual([])
  })

  it(`of --help have at most ${MOST_WORDS} words`, () => {
    ensureDist()
    const texts = helpTexts((command) => runCli([...command, '--help']).stdout)
    expect(texts.length).toBeGreaterThan(150)
    expect(texts.map(({ where }) => where)).toEqual(
      expect.arrayContaining([' --help', 'serve --help', 'runtime install --help']),
    )
    expect(longIn(texts)).toEqual([])
  })
})
