import type { TextReader } from '../../lib/request/texts'

/** Eight tokens: start, six letters, end. */
const LENGTH = 8
const [START, END] = [1, 2]

/** A letter a token; a full stop ends a sentence, a comma a phrase, a space a word. */
export const FAKE_TOKENIZER: TextReader = {
  length: LENGTH,
  channels: 4,
  tokenize: (text) => {
    const ids = FAKE_TOKENIZER.read(text)
    const tokens = FAKE_TOKENIZER.frame(ids.slice(0, LENGTH - 2))
    // As if more fitted, so that short tests have no warnings.
    return { ...tokens, truncated: text.length > 30 ? text.slice(30) : null }
  },
  read: (text) => Array.from(text, (letter) => letter.codePointAt(0) as number),
  frame: (ids) => {
    const framed = new Int32Array(LENGTH).fill(END)
    framed.set([START, ...ids])
    return { ids: framed, mask: new Int32Array(LENGTH).fill(1, 0, ids.length + 2), truncated: null }
  },
  textAfter: (text, tokens) => text.slice(tokens),
  fitting: (ids) => ids.length,
  wordsIn: () => [],
  endsAt: (id) => {
    const letter = String.fromCodePoint(id)
    if (letter === '.') return 'sentence'
    if (letter === ',') return 'phrase'
    return letter === ' ' ? 'word' : null
  },
}
