/** Learnt words, on the bundled model. */
import { readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImageEmbeddings } from '../../lib/embeddings/image-embeddings'
import { PromptEmbeddings } from '../../lib/embeddings/prompt-embeddings'
import { decode, encode, readBytes } from '../../lib/embeddings/safetensors'
import { WuerstchenPipeline } from '../../lib/pipeline/pipeline'
import { loadTokenizer } from '../../lib/text/tokenizer'
import { folderOf, removeFolders } from '../support/temporary-folder'

const CHANNELS = { prior: 128, decoder: 64 }

let pipeline: WuerstchenPipeline
beforeAll(async () => {
  pipeline = await WuerstchenPipeline.fromPretrained()
}, 120_000)
afterAll(async () => {
  await pipeline.dispose()
  removeFolders()
})

/** Vectors that no word has. */
function vectors(count: number, channels: number) {
  const data = Float32Array.from({ length: count * channels }, (_, index) => Math.sin(7 * index) / 10)
  return { shape: count === 1 ? [channels] : [count, channels], data }
}

function file(tensors: Parameters<typeof encode>[0], name = 'word.safetensors'): string {
  const path = join(folderOf({}), name)
  writeFileSync(path, encode(tensors, {}))
  return path
}

const embeddings = (prompt: string) => pipeline.encodePrompt(prompt)

describe('loadTextualInversion()', () => {
  it.each([
    ["diffusers' file of one vector", { '<thing>': vectors(1, CHANNELS.prior) }, { prior: 1, decoder: 0 }],
    ["diffusers' file of three", { '<thing>': vectors(3, CHANNELS.decoder) }, { prior: 0, decoder: 3 }],
    ["AUTOMATIC1111's file", { emb_params: vectors(4, CHANNELS.prior) }, { prior: 4, decoder: 0 }],
    [
      'a file for both text encoders',
      { prior: vectors(2, CHANNELS.prior), decoder: vectors(2, CHANNELS.decoder) },
      { prior: 2, decoder: 2 },
    ],
  ])('teaches %s, and forgets it to the last bit', async (_what, tensors, count) => {
    const prompt = 'a red <thing> on a table'
    const before = await embeddings(prompt)
    await pipeline.loadTextualInversion(file(tensors, '<thing>.safetensors'))
    expect(pipeline.textualInversions).toEqual([{ token: '<thing>', vectors: count }])
    const during = await embeddings(prompt)
    for (const encoder of ['prior', 'decoder'] as const) {
      const isChanged = String(during[encoder].data) !== String(before[encoder].data)
      expect(isChanged).toBe(count[encoder] > 0)
    }
    expect((await embeddings('a red circle')).text).toBe('a red circle')
    await pipeline.unloadTextualInversion('<thing>')
    expect(pipeline.textualInversions).toEqual([])
    expect((await embeddings(prompt)).prior.data).toEqual(before.prior.data)
    expect((await embeddings(prompt)).decoder.data).toEqual(before.decoder.data)
  })

  it('leaves all other texts alone, and takes weights', async () => {
    const others = ['a red circle', 'A CAT, 🦊 é ÿ', '']
    const before = await Promise.all(others.map(embeddings))
    await pipeline.loadTextualInversion(file({ '<thing>': vectors(2, CHANNELS.prior) }))
    const during = await Promise.all(others.map(embeddings))
    expect(during.map(({ prior }) => prior.data)).toEqual(before.map(({ prior }) => prior.data))
    const options = { promptSyntax: 'compel' } as const
    const plain = await pipeline.encodePrompt('a <thing>', options)
    expect((await pipeline.encodePrompt('a (<thing>)1.5', options)).prior.data).not.toEqual(plain.prior.data)
    // Not within a longer word, where it is text as ever.
    expect((await embeddings('a <thing>s')).prior.data).not.toEqual(plain.prior.data)
    await pipeline.unloadTextualInversion('<thing>')
  })

  it('reads a word whose vectors are those of a known word as that word', async () => {
    const { tensors } = await weights()
    const row = tensors.data.slice(tensors.id * CHANNELS.prior, (tensors.id + 1) * CHANNELS.prior)
    await pipeline.loadTextualInversion(file({ zircle: { shape: [CHANNELS.prior], data: row } }))
    const [learnt, known] = [await embeddings('a red zircle'), await embeddings('a red circle')]
    const off = learnt.prior.data.map((value, index) => Math.abs(value - (known.prior.data[index] as number)))
    expect(Math.max(...off)).toBeLessThan(1e-5)
    await pipeline.unloadTextualInversion('zircle')
  })

  it.each([
    ['vectors of another size', { '<x>': vectors(2, 77) }, {}, 'ERR_WUERSTCHEN_WEIGHTS_MISMATCH'],
    [
      'more vectors than there is room for',
      { '<x>': vectors(200, CHANNELS.prior) },
      {},
      'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    ],
    [
      'a word with white space',
      { '<x>': vectors(1, CHANNELS.prior) },
      { token: 'a b' },
      'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    ],
  ])('refuses %s', async (_what, tensors, options, code) => {
    await expect(pipeline.loadTextualInversion(file(tensors), options)).rejects.toMatchObject({ code })
    expect(pipeline.textualInversions).toEqual([])
    await expect(pipeline.unloadTextualInversion('<x>')).rejects.toMatchObject({ details: { name: 'token' } })
  })

  it.each([
    ['zip.pt', Buffer.from('PK\x03\x04 archive/data.pkl')],
    ['pickle.bin', Buffer.from('800280028a0a6cfc9c46f9206aa8', 'hex')],
  ])('says what to do with %s', async (name, bytes) => {
    const path = join(folderOf({}), name)
    writeFileSync(path, bytes)
    const refusal = {
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      message: expect.stringMatching(
        /torch\.save\(\).*Convert it to safetensors: docs\/models\.md, "Pickled files"/,
      ),
    }
    await expect(pipeline.loadTextualInversion(path)).rejects.toMatchObject(refusal)
    await expect(pipeline.loadLora(path)).rejects.toMatchObject(refusal)
    await expect(PromptEmbeddings.fromFile(path)).rejects.toMatchObject(refusal)
    await expect(ImageEmbeddings.fromFile(path)).rejects.toMatchObject(refusal)
    expect(() => PromptEmbeddings.fromSafetensors(bytes)).toThrow(expect.objectContaining(refusal))
  })

  it.each([
    ['no vectors', { shape: [0, CHANNELS.prior], data: new Float32Array() }, 'WEIGHTS_MISMATCH'],
    [
      'one number too deep',
      { shape: [1, CHANNELS.prior, 1], data: new Float32Array(CHANNELS.prior) },
      'WEIGHTS_MISMATCH',
    ],
    [
      'numbers that are none',
      { shape: [CHANNELS.prior], data: new Float32Array(CHANNELS.prior).fill(Number.NaN) },
      'WEIGHTS_INVALID',
    ],
  ])('refuses a word of %s', async (_what, tensor, kind) => {
    await expect(pipeline.loadTextualInversion(file({ '<x>': tensor }))).rejects.toMatchObject({
      code: `ERR_WUERSTCHEN_${kind}`,
    })
  })

  it.each([null, undefined, 7, {}, '', '\0'])('refuses %j for a path or a word', async (wrong) => {
    const refusal = { code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT' }
    await expect(pipeline.loadTextualInversion(wrong as never)).rejects.toMatchObject(refusal)
    await expect(pipeline.unloadTextualInversion(wrong as never)).rejects.toMatchObject(refusal)
    await expect(pipeline.loadTextualInversion('x', null as never)).rejects.toMatchObject(refusal)
  })

  it('leaves no file behind', async () => {
    expect(
      readdirSync(tmpdir()).filter((name) => name.startsWith(`wuerstchen-word-${process.pid}-`)),
    ).toEqual([])
  })
})

/** The rows of the prior's text encoder, and the one of `circle`. */
async function weights() {
  const folder = join(__dirname, '../../models/shapes-prior')
  const name = readdirSync(join(folder, 'text_encoder')).find((one) => one.endsWith('.safetensors')) as string
  const { tensors } = decode(await readBytes(join(folder, 'text_encoder', name)), name)
  const [, embedding] = [...tensors].find(([key]) => key.endsWith('token_embedding.weight')) as [
    string,
    { shape: readonly number[]; data: Float32Array },
  ]
  const tokenizer = await loadTokenizer(join(folder, 'tokenizer'), {
    maxPositions: 77,
    vocabularySize: embedding.shape[0] as number,
  })
  const [id = 0] = tokenizer.read('circle')
  return { tensors: { data: embedding.data, id } }
}
