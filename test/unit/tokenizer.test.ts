import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { loadTokenizer, type Tokenizer } from '../../lib/text/tokenizer'
import clipGolden from '../goldens/tokenizer/clip.json'
import golden from '../goldens/tokenizer/golden.json'

const FOLDER = join(__dirname, '../goldens/tokenizer')
const LIMITS = { maxPositions: 256, vocabularySize: 794 }

let folders: string[] = []
afterEach(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
  folders = []
})

/** A folder with some of the golden tokenizer's files, and others. */
function folderWith(files: readonly string[], others: Record<string, unknown> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'tokenizer-'))
  folders.push(folder)
  for (const file of files) cpSync(join(FOLDER, file), join(folder, file))
  for (const [name, value] of Object.entries(others)) {
    writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value))
  }
  return folder
}

function idsOfText(tokenizer: Tokenizer, text: string): number[] {
  const { ids, mask } = tokenizer.tokenize(text)
  return Array.from(ids.subarray(0, mask.indexOf(0) === -1 ? ids.length : mask.indexOf(0)))
}

/** The generator of scripts/goldens/tokenizer.py. */
function mulberry32(seed: number): (count: number) => number {
  let state = seed
  return (count) => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return Math.floor((((value ^ (value >>> 14)) >>> 0) * count) / 2 ** 32)
  }
}

function* randomStrings(): Generator<string> {
  const below = mulberry32(golden.seed)
  for (let i = 0; i < golden.strings; i++) {
    const pieces = Array.from({ length: 1 + below(32) }, () => {
      const group = golden.alphabet[below(golden.alphabet.length)] as string[]
      return group[below(group.length)]
    })
    yield pieces.join('')
  }
}

function fnv1a(ids: Int32Array): number {
  return ids.reduce((hash, id) => Math.imul(hash ^ id, 0x01000193), 0x811c9dc5 | 0) >>> 0
}

describe('Tokenizer#tokenize()', () => {
  let tokenizer: Tokenizer
  beforeAll(async () => {
    tokenizer = await loadTokenizer(FOLDER, LIMITS)
  })

  it.each(golden.corpus)("has the ids of Hugging Face's Rust library for $text", ({ text, ids }) => {
    expect(idsOfText(tokenizer, text)).toEqual(ids)
  })

  it.each(golden.specials)('reads special tokens in other letters as it does: $text', ({ text, ids }) => {
    expect(idsOfText(tokenizer, text)).toEqual(ids)
  })

  it('has its ids for 10,000 random strings', () => {
    const hashes = Buffer.from(golden.hashes, 'base64')
    expect(hashes.length).toBe(4 * 10_000)
    const different = Array.from(randomStrings()).filter(
      (text, i) => fnv1a(tokenizer.tokenize(text).ids) !== hashes.readUInt32LE(4 * i),
    )
    expect(different).toEqual([])
  }, 60_000)

  it('surrounds the text with start and end, pads with the pad token and masks the padding', () => {
    const { ids, mask, truncated } = tokenizer.tokenize('')
    expect([ids.length, mask.length]).toEqual([256, 256])
    expect(Array.from(ids.subarray(0, 3))).toEqual([792, 793, 793])
    expect(Array.from(mask.subarray(0, 3))).toEqual([1, 1, 0])
    expect(truncated).toBeNull()
  })

  it('keeps the end token of a text that is too long and says what was cut', () => {
    const fits = tokenizer.tokenize('9'.repeat(254))
    expect(fits.truncated).toBeNull()
    expect(fits.ids[255]).toBe(793)
    const cut = tokenizer.tokenize(`${'9'.repeat(254)}87 a cat`)
    expect(cut.ids).toEqual(fits.ids)
    expect(cut.mask).toEqual(fits.mask)
    expect(cut.truncated).toBe('87 a cat')
  })

  it('reads no more of a long text than it needs', () => {
    const started = performance.now()
    const texts = ['a', '🦊', '!', "'s", '\u0301', 'Σ', '<|endoftext|>', ' ', '9', 'ab ', '\u3000']
    for (const text of texts) tokenizer.tokenize(text.repeat(20_000 / text.length))
    expect((performance.now() - started) / texts.length).toBeLessThan(500)
  })

  it('cuts a long text into pieces without a change of its ids', () => {
    const text = 'a photo of a fox, and '
    const ids = idsOfText(tokenizer, text.repeat(13))
    const once = idsOfText(tokenizer, text).slice(1, -1)
    expect(ids.slice(1, -1)).toEqual(Array.from({ length: 13 }, () => once).flat())
    const { truncated } = tokenizer.tokenize(text.repeat(100))
    expect(truncated).toMatch(/ a photo of a fox, and$/)
    expect(tokenizer.tokenize(`${'🦊'.repeat(1023)}a🦊`).ids).toEqual(
      tokenizer.tokenize('🦊'.repeat(1023)).ids,
    )
  })

  it.each([
    'Cafe\u0301 NOE\u0308L \u1112\u1161\u11ab',
    'a \u{1f469}\u200d\u{1f469}\u200d\u{1f467} \u{1f1e9}\u{1f1ea}!',
    '漢字かな交じり文、。',
    'ＦＵＬＬ\u3000ｗｉｄｔｈ ﬁ',
    'İstanbul ΣΑΣ ẞ',
    " it's\t\n<|endoftext|>  x ",
  ])('says what is cut in the characters of the text, and in whole ones: %j', (text) => {
    const whole = text.trim()
    const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
    const borders = new Set([...characters.segment(whole)].map(({ index }) => whole.slice(index)))
    const lengths = Array.from({ length: tokenizer.read(text).length + 1 }, (_, tokens) => {
      const rest = tokenizer.textAfter(text, tokens)
      expect([...borders, '']).toContain(rest)
      return rest.length
    })
    expect([lengths[0], lengths.at(-1)]).toEqual([whole.length, 0])
    expect(lengths).toEqual([...lengths].sort((a, b) => b - a))
  })

  it('survives a lone surrogate', () => {
    expect(idsOfText(tokenizer, 'a \ud800 b')).toEqual(idsOfText(tokenizer, 'a \ufffd b'))
  })
})

describe('loadTokenizer()', () => {
  it('builds the tokenizer from vocab.json and merges.txt where that is all there is', async () => {
    const tokenizer = await loadTokenizer(folderWith(['vocab.json', 'merges.txt']), LIMITS)
    const ids = golden.corpus.map(({ text }) => idsOfText(tokenizer, text))
    expect(ids).toEqual(golden.corpus_from_merges)
  })

  it('finds special tokens before or after lowering, as their entries say', async () => {
    const tokenizer = JSON.parse(readFileSync(join(FOLDER, 'tokenizer.json'), 'utf8'))
    tokenizer.added_tokens[0].normalized = true
    const loaded = await loadTokenizer(folderWith([], { 'tokenizer.json': tokenizer }), LIMITS)
    for (const { text, ids } of golden.specials_normalized_start) expect(idsOfText(loaded, text)).toEqual(ids)
  })

  it('pads to the length that the config says, with the token that it says', async () => {
    const config = { model_max_length: 8, pad_token: { content: '!' } }
    const folder = folderWith(['tokenizer.json'], { 'tokenizer_config.json': config })
    const { ids } = (await loadTokenizer(folder, LIMITS)).tokenize('')
    expect(Array.from(ids)).toEqual([792, 793, 0, 0, 0, 0, 0, 0])
  })

  it('finds the pad token in special_tokens_map.json', async () => {
    const specials = { pad_token: '#' }
    const folder = folderWith(['tokenizer.json'], { 'special_tokens_map.json': specials })
    expect((await loadTokenizer(folder, LIMITS)).tokenize('').ids[2]).toBe(2)
  })

  it.each([[{}], [{ model_max_length: 1e30 }]])(
    "takes the text encoder's length where the config is %p",
    async (config) => {
      const folder = folderWith(['tokenizer.json'], { 'tokenizer_config.json': config })
      expect((await loadTokenizer(folder, { ...LIMITS, maxPositions: 32 })).length).toBe(32)
    },
  )

  const whole = JSON.parse(readFileSync(join(FOLDER, 'tokenizer.json'), 'utf8'))
  const withModel = (model: object) => ({ ...whole, model: { ...whole.model, ...model } })

  it.each([
    ['an empty folder', {}, /tokenizer\.json, or vocab\.json and merges\.txt/],
    ['text that is no JSON', { 'tokenizer.json': '{' }, /Expected JSON/],
    [
      'a git-lfs pointer for merges',
      {
        'vocab.json': whole.model.vocab,
        'merges.txt': 'version https://git-lfs.github.com/spec/v1\nsize 1\n',
      },
      /merges\.txt: Expected pairs of tokens but it is a git-lfs pointer/,
    ],
    ['a list', { 'tokenizer.json': '[]' }, /Expected a JSON object/],
    ['an empty object', { 'tokenizer.json': {} }, /Expected model to be a BPE/],
    ['another model', { 'tokenizer.json': withModel({ type: 'WordPiece' }) }, /Expected model to be a BPE/],
    ['merges of numbers', { 'tokenizer.json': withModel({ merges: [1] }) }, /pairs of text/],
    ['an id that is text', { 'tokenizer.json': withModel({ vocab: { a: 'x' } }) }, /every id/],
    [
      'a huge id',
      { 'tokenizer.json': withModel({ vocab: { a: 4e9 } }) },
      /every id to be below vocab_size 794/,
    ],
    ['no added tokens', { 'tokenizer.json': { ...whole, added_tokens: null } }, /added_tokens/],
    [
      'no pre-tokenizer',
      { 'tokenizer.json': { ...whole, pre_tokenizer: { type: 'None' } } },
      /CLIP tokenizer/,
    ],
    ['no start and end', { 'tokenizer.json': { ...whole, post_processor: null } }, /post_processor/],
    [
      'a pad token that is not in the vocabulary',
      { 'tokenizer.json': whole, 'tokenizer_config.json': { pad_token: '[PAD]' } },
      /pad token '\[PAD\]'/,
    ],
    [
      'a length beyond the text encoder',
      { 'tokenizer.json': whole, 'tokenizer_config.json': { model_max_length: 512 } },
      /from 2 to 256 but found 512/,
    ],
    [
      'a vocabulary without the end token',
      { 'vocab.json': { a: 0 }, 'merges.txt': '' },
      /entry <\|startoftext\|>/,
    ],
  ])('refuses %s', async (_, files, message) => {
    await expect(loadTokenizer(folderWith([], files), LIMITS)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_MODEL_INVALID',
      message: expect.stringMatching(message),
    })
  })
})

/** CLIP's merges, from the Python package open_clip_torch: too large to keep here. */
function clipMerges(): string | undefined {
  const stated = process.env.WUERSTCHEN_CLIP_MERGES
  if (stated) return stated
  const library = join(__dirname, '../../.venv/lib')
  const pythons = existsSync(library) ? readdirSync(library) : []
  const files = pythons.map((name) =>
    join(library, name, 'site-packages/open_clip/bpe_simple_vocab_16e6.txt.gz'),
  )
  return files.find(existsSync)
}

describe("CLIP's whole vocabulary", () => {
  const file = clipMerges()
  const run = file ? it : it.skip

  run(
    `${file ? '' : 'SKIPPED, set WUERSTCHEN_CLIP_MERGES or install open_clip_torch in .venv: '}has CLIP's ids`,
    async () => {
      const folder = folderWith([])
      writeClip(gunzipSync(readFileSync(file as string)).toString('utf8'), folder)
      const tokenizer = await loadTokenizer(folder, { maxPositions: 77, vocabularySize: 49408 })
      expect(idsOfText(tokenizer, 'a photo of a fox')).toEqual([49406, 320, 1125, 539, 320, 3240, 49407])
      for (const { text, ids } of clipGolden.corpus) expect(idsOfText(tokenizer, text)).toEqual(ids)
    },
    60_000,
  )
})

/** vocab.json and merges.txt as OpenAI's code lays the vocabulary out. */
function writeClip(text: string, folder: string): void {
  const merges = text.split('\n').slice(1, 49152 - 256 - 2 + 1)
  const printable = Array.from({ length: 256 }, (_, byte) => byte).filter(
    (byte) => (byte >= 0x21 && byte < 0x7f) || (byte >= 0xa1 && byte < 0xad) || byte >= 0xae,
  )
  const others = Array.from({ length: 256 - printable.length }, (_, i) => 256 + i)
  const symbols = [...printable, ...others].map((point) => String.fromCharCode(point))
  const entries = [
    ...symbols,
    ...symbols.map((symbol) => `${symbol}</w>`),
    ...merges.map((merge) => merge.replace(' ', '')),
    '<|startoftext|>',
    '<|endoftext|>',
  ]
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'vocab.json'),
    JSON.stringify(Object.fromEntries(entries.map((entry, i) => [entry, i]))),
  )
  writeFileSync(join(folder, 'merges.txt'), `#version: 0.2\n${merges.join('\n')}\n`)
}
