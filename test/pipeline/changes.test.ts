/** Words and LoRAs that come and go while requests wait, on the bundled model. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type GenerateResult, ImageEmbeddings, readParameters, WuerstchenPipeline } from '../../lib'
import { encode } from '../../lib/embeddings/safetensors'
import { folderOf, removeFolders } from '../support/temporary-folder'

const FEW = { width: 64, height: 64, priorNumInferenceSteps: 3, numInferenceSteps: 1, seed: 7 } as const
const PROMPT = 'a red <thing> on a table'
const CHANNELS = 128

let pipeline: WuerstchenPipeline
beforeAll(async () => {
  pipeline = await WuerstchenPipeline.fromPretrained(undefined, { maxBatchRows: 2 })
}, 120_000)
afterAll(async () => {
  await pipeline.dispose()
  removeFolders()
})

const numbers = (count: number) => Float32Array.from({ length: count }, (_, index) => Math.sin(7 * index) / 3)

function word(count: number): string {
  const path = join(folderOf({}), 'word.safetensors')
  writeFileSync(
    path,
    encode({ '<thing>': { shape: [count, CHANNELS], data: numbers(count * CHANNELS) } }, {}),
  )
  return path
}

/** A LoRA of the prior's text encoder, or of another network with as many channels as are named. */
function lora(
  name = 'style',
  key = 'text_encoder.text_model.encoder.layers.0.self_attn.q_proj',
  channels = CHANNELS,
): string {
  const path = join(folderOf({}), `${name}.safetensors`)
  const tensor = () => ({ shape: [1, channels], data: numbers(channels) })
  const up = { shape: [channels, 1], data: numbers(channels) }
  writeFileSync(path, encode({ [`${key}.lora_A.weight`]: tensor(), [`${key}.lora_B.weight`]: up }, {}))
  return path
}

const pixels = ({ images }: GenerateResult) => (images[0] as { data: Uint8Array }).data
const drawn = async (prompt = PROMPT, options = {}) =>
  pixels(await pipeline.generate(prompt, { ...FEW, ...options }))

/** Keeps the pipeline busy, so that what comes next waits. */
function busy(): Promise<unknown> {
  return pipeline.generate('a blue square', { ...FEW, numImagesPerPrompt: 3, priorNumInferenceSteps: 10 })
}

describe('a request that arrives before a change', () => {
  it('of a word is finished with the words that there were, and one after it waits for the change', async () => {
    const text = await drawn()
    await pipeline.loadTextualInversion(word(2))
    const learnt = await drawn()
    expect(learnt).not.toEqual(text)
    const all = [
      busy(),
      drawn(PROMPT, { priority: -3 }),
      pipeline.unloadTextualInversion('<thing>'),
      drawn(PROMPT, { priority: 3 }),
      pipeline.encodePrompt(PROMPT),
      pipeline.loadTextualInversion(word(2)),
      drawn(),
      pipeline.encodePrompt(PROMPT),
      pipeline.unloadTextualInversion('<thing>'),
    ] as const
    const [, before, , between, plain, , after, taught] = await Promise.all(all)
    expect(before).toEqual(learnt)
    expect(between).toEqual(text)
    expect(after).toEqual(learnt)
    expect(plain.prior.data).toEqual((await pipeline.encodePrompt(PROMPT)).prior.data)
    expect(taught.prior.data).not.toEqual(plain.prior.data)
  })

  it('of a LoRA is finished with the scales that there were, and may name it', async () => {
    const prompt = 'a red circle withLora(style)'
    const compel = { promptSyntax: 'compel' } as const
    const plain = await drawn('a red circle')
    const [, loaded, , half, , , refused] = await Promise.all([
      pipeline.loadLora(lora()),
      drawn(prompt, compel),
      pipeline.setLoraScales({ style: 0.5 }),
      drawn(`${prompt.slice(0, -1)}, 0.5)`, compel),
      busy(),
      pipeline.unloadLora('style'),
      drawn(prompt, compel).catch((error: unknown) => error),
    ])
    expect(loaded).not.toEqual(plain)
    expect(half).not.toEqual(loaded)
    expect(refused).toMatchObject({
      code: 'ERR_WUERSTCHEN_PROMPT_SYNTAX',
      details: { column: 14, name: 'prompt' },
    })
    await pipeline.loadLora(lora())
    const last = [
      busy(),
      drawn(prompt, compel),
      pipeline.unloadLora('style'),
      drawn(prompt, compel).catch((error: unknown) => error),
      drawn('a red circle'),
    ]
    const [, before, , after, without] = await Promise.all(last)
    expect(before).toEqual(loaded)
    expect(after).toMatchObject({ code: 'ERR_WUERSTCHEN_PROMPT_SYNTAX' })
    expect(without).toEqual(plain)
  })

  it('is told at once of a file that cannot be read, and of a name that nothing has', async () => {
    const running = busy()
    let isOver = false
    void running.then(() => {
      isOver = true
    })
    await expect(pipeline.unloadLora('nothing')).rejects.toMatchObject({ details: { name: 'name' } })
    await expect(pipeline.unloadTextualInversion('<x>')).rejects.toMatchObject({ details: { name: 'token' } })
    await expect(pipeline.loadTextualInversion('/nowhere')).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
    })
    await expect(pipeline.loadLora('/nowhere')).rejects.toMatchObject({ name: 'ModelError' })
    expect(isOver).toBe(false)
    await running
  })
})

describe('what the text encoders made of a text', () => {
  /** How many readings by a text encoder a picture of this text takes. */
  const readings = async () => {
    const { encoded } = pipeline.statistics.texts
    await drawn('a text whose readings are counted', { negativePrompt: '' })
    return pipeline.statistics.texts.encoded - encoded
  }

  it('is forgotten by a LoRA of that text encoder, and by no other', async () => {
    await readings()
    expect(await readings()).toBe(0)
    // The prompt and the empty negative prompt, by the prior's text encoder alone.
    await pipeline.loadLora(lora())
    expect([await readings(), await readings()]).toEqual([2, 0])
    await pipeline.setLoraScales({ style: 0.5 })
    expect([await readings(), await readings()]).toEqual([2, 0])
    await pipeline.unloadLora('style')
    expect([await readings(), await readings()]).toEqual([2, 0])
    await pipeline.loadLora(lora('other', 'prior.blocks.11.attention.to_q', 160))
    expect(await readings()).toBe(0)
    await pipeline.unloadLora('other')
    expect(await readings()).toBe(0)
  })
})

describe('a pipeline that is disposed', () => {
  it('refuses every change as such', async () => {
    const other = await WuerstchenPipeline.fromPretrained()
    await other.dispose()
    const refusal = { code: 'ERR_WUERSTCHEN_DISPOSED' }
    await expect(other.unloadLora('style')).rejects.toMatchObject(refusal)
    await expect(other.setLoraScales({ style: 1 })).rejects.toMatchObject(refusal)
    await expect(other.unloadTextualInversion('<thing>')).rejects.toMatchObject(refusal)
    await expect(other.loadTextualInversion(word(1))).rejects.toMatchObject(refusal)
    await expect(other.loadLora(lora())).rejects.toMatchObject(refusal)
  })
})

describe('names of LoRAs and words', () => {
  it('are apart, also where they are equal', async () => {
    await pipeline.loadTextualInversion(word(1))
    const learnt = await drawn()
    for (const name of ['<thing>', 'the word <thing>']) {
      await expect(pipeline.unloadLora(name)).rejects.toMatchObject({ details: { name: 'name' } })
      await expect(pipeline.setLoraScales({ [name]: 0 })).rejects.toMatchObject({
        details: { name: 'scales' },
        message: expect.stringMatching(/^Expected scales to name loaded LoRAs/),
      })
      await pipeline.loadLora(lora(), { name })
      await pipeline.setLoraScales({ [name]: 0 })
      expect(await drawn()).toEqual(learnt)
      await pipeline.unloadLora(name)
      expect(pipeline.textualInversions).toHaveLength(1)
    }
    await expect(pipeline.unloadLora('<thing>')).rejects.toThrow(/a word, for unloadTextualInversion\(\)/)
    await pipeline.unloadTextualInversion('<thing>')
  })
})

describe('a word of several vectors', () => {
  it('stays in one piece of a long prompt', async () => {
    const { length } = pipeline.info.defaultSize && { length: 32 }
    await pipeline.loadTextualInversion(word(5))
    const filler = (tokens: number) => 'red '.repeat(tokens)
    const options = { longPrompts: 'chunk' } as const
    // Two vectors would fit behind it.
    const { prior } = await pipeline.encodePrompt(`${filler(length - 4)}<thing> blue`, options)
    const { prior: other } = await pipeline.encodePrompt(`${filler(length - 4)}BREAK <thing> blue`, {
      ...options,
      promptSyntax: 'a1111',
    })
    expect(prior.data).toEqual(other.data)
    const cut = await pipeline.encodePrompt(`${filler(length - 4)}<thing> blue`)
    expect(cut.truncated).toEqual([
      { encoders: ['prior'], tokens: length, text: '<thing> blue' },
      { encoders: ['decoder'], tokens: length, text: expect.stringMatching(/blue$/) },
    ])
    expect(cut.prior.data).toEqual((await pipeline.encodePrompt(filler(length - 4))).prior.data)
    expect(cut.warnings[0]).toMatch(/prior reads 32 tokens of prompt\. It does not see '<thing> blue'/)
    await pipeline.unloadTextualInversion('<thing>')
  })
})

describe("a picture's parameters", () => {
  it('say which prompts were embeddings, and making it again warns that their text is read instead', async () => {
    const weighted = await pipeline.encodePrompt('a (red:1.5) circle', { promptSyntax: 'a1111' })
    const made = await pipeline.generate(weighted, { ...FEW, negativePrompt: 'blue' })
    const parameters = await readParameters((await made.images[0]?.toBuffer()) as Buffer)
    if (parameters === null) throw new Error('no parameters')
    expect(parameters).toMatchObject({ prompt: 'a (red:1.5) circle', promptEmbeddings: 'prompt' })
    const { warnings } = await pipeline.generate(parameters)
    expect(warnings).toEqual([expect.stringMatching(/^The prompt was made of prompt embeddings/)])

    const both = await pipeline.prior('a circle', {
      ...{ width: 64, height: 64, priorNumInferenceSteps: 3, seed: 7 },
      negativePrompt: weighted,
    })
    const [imagined] = both.embeddings
    if (imagined === undefined) throw new Error('no embeddings')
    expect(imagined.facts.promptEmbeddings).toBe('negativePrompt')
    const kept = ImageEmbeddings.fromSafetensors(imagined.toSafetensors())
    const decoded = await pipeline.decode([kept], { numInferenceSteps: 1 })
    expect(decoded.warnings).toEqual([
      expect.stringMatching(/^The embeddings\[0\]\.facts\.negativePrompt was made of prompt embeddings/),
    ])
    const given = await pipeline.decode(kept, { numInferenceSteps: 1, negativePrompt: weighted })
    expect(given.warnings).toEqual([])
  })

  it('name the words and LoRAs that it was made with, and make it again where they are loaded', async () => {
    await pipeline.loadTextualInversion(word(2))
    await pipeline.loadLora(lora(), { scale: 0.5 })
    await pipeline.loadLora(lora('off'), { scale: 0 })
    const options = { ...FEW, promptSyntax: 'compel', longPrompts: 'chunk' } as const
    const made = await pipeline.generate('a (red)1.2 <thing>', options)
    const parameters = await readParameters((await made.images[0]?.toBuffer()) as Buffer)
    expect(parameters).toMatchObject({
      promptSyntax: 'compel',
      longPrompts: 'chunk',
      loras: [{ name: 'style', scale: 0.5 }],
      textualInversions: ['<thing>'],
    })
    if (parameters === null) throw new Error('no parameters')
    const again = await pipeline.generate(parameters)
    expect([pixels(again), again.warnings]).toEqual([pixels(made), []])

    await pipeline.setLoraScales({ style: 1 })
    await pipeline.unloadTextualInversion('<thing>')
    await expect(pipeline.generate(parameters)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: expect.stringMatching(/the LoRA 'style' at scale 0\.5, which is at 1; the word '<thing>'/),
      details: { name: 'prompt', missing: [expect.any(String), "the word '<thing>'"] },
    })
    await pipeline.unloadLora('style')
    await expect(pipeline.generate(parameters)).rejects.toThrow(/the LoRA 'style' at scale 0\.5; the word/)
    // What is being loaded counts.
    const [, , late] = await Promise.all([
      pipeline.loadTextualInversion(word(2)),
      pipeline.loadLora(lora(), { scale: 0.5 }),
      pipeline.generate(parameters),
    ])
    expect(pixels(late)).toEqual(pixels(made))

    const { loras: _, textualInversions: __, ...old } = parameters
    const { warnings } = await pipeline.generate(old)
    expect(warnings).toEqual([
      "The picture was made without the LoRA 'style', which is loaded.",
      "The picture was made without the word '<thing>', which is loaded.",
    ])
    for (const name of ['style', 'off']) await pipeline.unloadLora(name)
    await pipeline.unloadTextualInversion('<thing>')
    const plain = await pipeline.generate('a red circle', FEW)
    expect(Object.keys(plain.images[0]?.metadata ?? {})).not.toEqual(
      expect.arrayContaining(['loras', 'textualInversions', 'promptSyntax', 'longPrompts']),
    )
  })
})
