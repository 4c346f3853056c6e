import { parsePrompt } from '../../lib/text/syntax/parse'
import type { PromptSyntax } from '../../lib/text/syntax/tree'
import { planText } from '../../lib/text/weights'
import { FAKE_TOKENIZER } from '../support/fake-tokenizer'

/** The pieces of a prompt, six letters at most. */
function pieces(source: string, syntax: PromptSyntax = 'plain'): readonly string[] {
  const planning = { source, longPrompts: 'chunk', moment: { step: 1, steps: 1 } } as const
  const { parts } = planText(parsePrompt(source, { syntax }), FAKE_TOKENIZER, planning)
  const chunks = parts.flatMap(({ members }) => members.flatMap((member) => member.chunks))
  return chunks.map((chunk) => {
    const { ids, mask } = 'tokens' in chunk ? chunk.tokens : { ids: new Int32Array(), mask: new Int32Array() }
    return String.fromCodePoint(...ids.subarray(1, mask.lastIndexOf(1)))
  })
}

describe('a long prompt ends each piece', () => {
  it.each([
    ['at the last end of a sentence', 'a.b.c,d e', ['a.b.', 'c,d e']],
    ['at the end of a phrase where no sentence ends', 'a,b c defg', ['a,', 'b c ', 'defg']],
    ['at the end of a word where no phrase ends', 'a b cdefgh', ['a b ', 'cdefgh']],
    ['anywhere where no word ends', 'abcdefghijklmno', ['abcdef', 'ghijkl', 'mno']],
    ['nowhere where all fits', 'a.b,cd', ['a.b,cd']],
  ])('%s', (_, text, expected) => {
    expect(pieces(text)).toEqual(expected)
  })

  it('so that all is read, in order, whatever the weights', () => {
    const text = 'one. two, three four fivesixseven. 8'
    expect(pieces(text).join('')).toBe(text)
    const weighted = 'one. (two, three:1.5) four [fivesixseven]. 8'
    expect(pieces(weighted, 'a1111')).toEqual(pieces(text))
    expect(pieces('', 'a1111')).toEqual([''])
  })
})
