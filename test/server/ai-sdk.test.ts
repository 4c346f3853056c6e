import type { ImageModelV3, ProviderV3 } from '@ai-sdk/provider'
import { generateImage, NoSuchModelError } from 'ai'
import sharp from 'sharp'
import { difference, type Pixels } from '../../bench/support/reference'
import { readParameters, WuerstchenPipeline } from '../../lib'
import { createWuerstchen } from '../../lib/ai-sdk'
import { describeBundled } from '../support/models'
import { until } from '../support/until'

// The SDK prints warnings, too.
;(globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false

async function pixelsOf({ uint8Array }: { uint8Array: Uint8Array }): Promise<Pixels> {
  const { data, info } = await sharp(uint8Array).raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}

const STEPS = { priorNumInferenceSteps: 4, numInferenceSteps: 3 }
const FEW = { wuerstchen: { ...STEPS } }

describeBundled('wuerstchen/ai-sdk', () => {
  let pipeline: WuerstchenPipeline
  beforeAll(async () => {
    pipeline = await WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu', threads: 1 })
  })
  afterAll(() => pipeline.dispose())

  it('is a provider and a model of the SDK, by its own types', () => {
    const provider = createWuerstchen({ pipeline })
    provider satisfies ProviderV3
    provider.imageModel() satisfies ImageModelV3
    expect(provider.imageModel('shapes').modelId).toBe('shapes')
  })

  it('makes the pictures of the pipeline: n, size, seed', async () => {
    const model = createWuerstchen({ pipeline }).imageModel()
    const { images, warnings, providerMetadata, responses } = await generateImage({
      model,
      prompt: 'a red circle',
      n: 2,
      size: '128x64',
      seed: 7,
      providerOptions: FEW,
    })
    const direct = await pipeline.generate('a red circle', {
      width: 128,
      height: 64,
      seed: 7,
      numImagesPerPrompt: 2,
      ...STEPS,
    })
    expect(images.map(({ mediaType }) => mediaType)).toEqual(['image/png', 'image/png'])
    const wanted = await Promise.all(direct.images.map((image) => image.toBuffer()))
    expect(images.map(({ uint8Array }) => Buffer.from(uint8Array))).toEqual(wanted)
    expect(warnings).toEqual([])
    expect(providerMetadata.wuerstchen?.images).toEqual([
      expect.objectContaining({ seed: 7, width: 128, height: 64 }),
      expect.objectContaining({ width: 128, height: 64 }),
    ])
    expect(responses[0]?.modelId).toBe('shapes')
  })

  it('gives each picture a seed of its own where none is given, and says so', async () => {
    const model = createWuerstchen({ pipeline }).imageModel()
    const call = { model, prompt: 'a red circle', size: '64x64', providerOptions: FEW } as const
    const { images, providerMetadata } = await generateImage({ ...call, n: 2 })
    const facts = providerMetadata.wuerstchen as unknown as { images: { seed: number }[] }
    const [first, second] = facts.images
    expect(first?.seed).not.toBe(second?.seed)
    const alone = await generateImage({ ...call, seed: second?.seed ?? -1 })
    const [one, two] = (await Promise.all(images.map(pixelsOf))) as [Pixels, Pixels]
    expect(difference(await pixelsOf(alone.image), two).largest).toBe(0)
    expect(difference(one, two).largest).toBeGreaterThan(10)
  })

  it('reads prompts as providerOptions say', async () => {
    const model = createWuerstchen({ pipeline }).imageModel()
    const reading = { promptSyntax: 'compel', longPrompts: 'chunk' } as const
    const prompt = '(a red circle)1.4 above a blue square'
    const { image } = await generateImage({
      model,
      prompt,
      seed: 7,
      size: '64x64',
      providerOptions: { wuerstchen: { ...STEPS, ...reading } },
    })
    expect(await readParameters(image.uint8Array)).toMatchObject({ prompt, ...reading })
    const refused = generateImage({
      model,
      prompt: 'a (cat',
      providerOptions: { wuerstchen: { ...STEPS, ...reading } },
    })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_PROMPT_SYNTAX' })
  })

  it('turns an aspect ratio into a size of about as many pixels as the model knows', async () => {
    const { image } = await generateImage({
      model: createWuerstchen({ pipeline }).imageModel(),
      prompt: 'a blue square',
      aspectRatio: '4:1',
      providerOptions: FEW,
    })
    expect(await readParameters(image.uint8Array)).toMatchObject({
      width: 512,
      height: 128,
      prompt: 'a blue square',
    })
  })

  it('encodes as asked for, and the SDK sees it', async () => {
    const { image } = await generateImage({
      model: createWuerstchen({ pipeline }).imageModel(),
      prompt: 'a blue square',
      size: '64x64',
      providerOptions: { wuerstchen: { ...STEPS, outputFormat: 'webp', outputQuality: 50 } },
    })
    expect(image.mediaType).toBe('image/webp')
  })

  it('stops when the signal aborts', async () => {
    const abort = new AbortController()
    const making = generateImage({
      model: createWuerstchen({ pipeline }).imageModel(),
      prompt: 'a red circle',
      abortSignal: abort.signal,
      maxRetries: 0,
      providerOptions: { wuerstchen: { priorNumInferenceSteps: 1000 } },
    })
    await until(async () => pipeline.statistics.running > 0)
    abort.abort()
    await expect(making).rejects.toMatchObject({ name: 'AbortError' })
    expect(pipeline.statistics.running).toBe(0)
  })

  it('warns of what it cannot do and of a prompt that was cut', async () => {
    const { warnings } = await generateImage({
      model: createWuerstchen({ pipeline }).imageModel(),
      prompt: { text: 'a red circle '.repeat(40), images: [new Uint8Array([137, 80, 78, 71])] },
      size: '64x64',
      providerOptions: FEW,
    })
    expect(warnings).toEqual([
      expect.objectContaining({ type: 'unsupported', feature: 'files' }),
      { type: 'other', message: expect.stringContaining('read 32 tokens of prompt. They do not see') },
    ])
  })

  it('names an option that it does not know', async () => {
    const making = generateImage({
      model: createWuerstchen({ pipeline }).imageModel(),
      prompt: 'a red circle',
      maxRetries: 0,
      providerOptions: { wuerstchen: { sed: 7 } },
    })
    await expect(making).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT' })
  })

  it('has no other models', () => {
    const provider = createWuerstchen({ pipeline })
    for (const ask of [
      () => provider.languageModel('x'),
      () => provider.embeddingModel('x'),
      () => provider.imageModel('x'),
    ]) {
      let error: unknown
      try {
        ask()
      } catch (thrown) {
        error = thrown
      }
      expect(NoSuchModelError.isInstance(error)).toBe(true)
    }
  })
})
