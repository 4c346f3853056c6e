/** Prompts of every kind, on the bundled model. */
import { ImageEmbeddings } from '../../lib/embeddings/image-embeddings'
import { PromptEmbeddings } from '../../lib/embeddings/prompt-embeddings'
import { WuerstchenPipeline } from '../../lib/pipeline/pipeline'
import { COMPANY_LEVELS } from '../support/company'

const FEW = { width: 64, height: 64, priorNumInferenceSteps: 4, numInferenceSteps: 2, seed: 7 } as const
const { numInferenceSteps: _, ...PRIOR } = FEW
const LONG = 'a red circle above a blue square, and a small green star to the left of it. '.repeat(12)

let pipeline: WuerstchenPipeline
beforeAll(async () => {
  pipeline = await WuerstchenPipeline.fromPretrained()
}, 120_000)
afterAll(() => pipeline.dispose())

async function pixels(prompt: string | PromptEmbeddings, options: object = {}): Promise<Uint8Array> {
  const { images } = await pipeline.generate(prompt, { ...FEW, ...options })
  return (images[0] as { data: Uint8Array }).data
}

describe('promptSyntax', () => {
  it.each([
    ['compel', '(a red circle)1.0'],
    ['compel', 'a red circle'],
    ['a1111', '(a red circle:1)'],
  ] as const)('%s: %s is bit for bit the plain prompt', async (promptSyntax, prompt) => {
    expect(await pixels(prompt, { promptSyntax })).toEqual(await pixels('a red circle'))
  })

  it.each([
    ['compel', 'a (red circle)1.5 above a blue square'],
    ['compel', 'a (red circle)0.5 above a blue square'],
    ['compel', '("a red circle", "a blue square").blend(1, 1)'],
    ['compel', '("a red circle", "a blue square").and()'],
    ['a1111', 'a (red circle:1.5) above a blue square'],
    ['a1111', 'a red circle BREAK a blue square'],
    ['a1111', '[a red circle:a blue square:0.5]'],
    ['a1111', '[a red circle|a blue square]'],
  ] as const)('%s: %s changes the picture', async (promptSyntax, prompt) => {
    const plain = await pixels('a red circle above a blue square')
    expect(await pixels(prompt, { promptSyntax })).not.toEqual(plain)
  })

  it('gives parts that follow one another no order, in either syntax', async () => {
    const [one, other] = ['a red circle on a white background', 'a blue square on a yellow background']
    const and = await pixels(`("${one}", "${other}").and()`, { promptSyntax: 'compel' })
    expect(await pixels(`${one} BREAK ${other}`, { promptSyntax: 'a1111' })).toEqual(and)
    const turned = await pixels(`("${other}", "${one}").and()`, { promptSyntax: 'compel' })
    expect(furthest(turned, and)).toBeLessThanOrEqual(2)
  })

  it('lets requests of different syntaxes share steps, each as it is alone', async () => {
    const asked = [
      ['a red circle', {}],
      ['a (red circle)1.4', { promptSyntax: 'compel' }],
      ['a (red circle:1.4)', { promptSyntax: 'a1111' }],
      ['[a red circle:a blue star:2]', { promptSyntax: 'a1111' }],
    ] as const
    const alone: Uint8Array[] = []
    for (const [prompt, options] of asked) alone.push(await pixels(prompt, options))
    const before = pipeline.statistics.stages.prior.turns
    const together = await Promise.all(asked.map(([prompt, options]) => pixels(prompt, options)))
    expect(pipeline.statistics.stages.prior.turns - before).toBeLessThan(2 * FEW.priorNumInferenceSteps)
    for (const [index, picture] of together.entries())
      expect(furthest(picture, alone[index])).toBeLessThanOrEqual(COMPANY_LEVELS)
  })

  it('begins with what stands before the colon and goes on with what follows', async () => {
    const options = { promptSyntax: 'a1111' } as const
    expect(await pixels('[a red circle:a blue star:0]', options)).toEqual(await pixels('a blue star'))
    const [half, first] = [
      await pixels('[a red circle:a blue star:0.5]', options),
      await pixels('a red circle'),
    ]
    expect(half).not.toEqual(first)
    expect(half).not.toEqual(await pixels('a blue star'))
  })
})

function furthest(a: Uint8Array, b: Uint8Array | undefined): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - (b?.[index] ?? 999))), 0)
}

describe('longPrompts', () => {
  it('makes a batch of short and long prompts, each as it is alone', async () => {
    const prompts = ['a red circle', LONG]
    const options = { ...FEW, longPrompts: 'chunk', seed: [7, 8] } as const
    const { images, warnings } = await pipeline.generate(prompts, options)
    expect(warnings).toEqual([])
    expect(images[0]?.data).toEqual(await pixels('a red circle'))
    expect(images[1]?.data).toEqual(await pixels(LONG, { longPrompts: 'chunk', seed: 8 }))
    expect(images[1]?.data).not.toEqual(await pixels(LONG, { seed: 8 }))
  })

  it('takes a negative prompt that is longer than the prompt, and one that is shorter', async () => {
    const options = { longPrompts: 'chunk', decoderGuidanceScale: 2 } as const
    expect(await pixels('a red circle', { ...options, negativePrompt: LONG })).not.toEqual(
      await pixels('a red circle', options),
    )
    expect(await pixels(LONG, { ...options, negativePrompt: 'a blue star' })).not.toEqual(
      await pixels(LONG, options),
    )
  })

  it('says what is cut, in whole characters', async () => {
    const prompt = `${'a circle and '.repeat(100)}`
    const { warnings } = await pipeline.generate(prompt, FEW)
    expect(warnings).toHaveLength(1)
    for (const letters of ['👩‍🚀', '🐈', 'é', 'क्षि']) {
      const cut = await pipeline.generate(letters.repeat(100), FEW)
      const shown = /'(.*?)…?'/.exec(cut.warnings[0] ?? '')?.[1] ?? ''
      expect(shown.startsWith(letters)).toBe(true)
      expect(cut.warnings[0]).not.toContain('\ufffd')
    }
  })
})

describe('PromptEmbeddings', () => {
  it('of any syntax and length go to a file and back into the same picture', async () => {
    for (const options of [{ promptSyntax: 'compel' }, { longPrompts: 'chunk' }] as const) {
      const prompt = `(${LONG})1.2`
      const bytes = (await pipeline.encodePrompt(prompt, options)).toSafetensors()
      expect(await pixels(PromptEmbeddings.fromSafetensors(bytes))).toEqual(await pixels(prompt, options))
    }
  })

  it('have no steps that a schedule could change at', async () => {
    await expect(pipeline.encodePrompt('a [b:c:0.5]', { promptSyntax: 'a1111' })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_PROMPT_SYNTAX',
      details: { column: 3 },
    })
  })
})

describe('image embeddings', () => {
  it('remember how their prompt was read, also in a file', async () => {
    const options = { ...FEW, decoderGuidanceScale: 2, longPrompts: 'chunk' } as const
    const { images } = await pipeline.generate(LONG, options)
    const { embeddings } = await pipeline.prior(LONG, { ...PRIOR, longPrompts: 'chunk' })
    const kept = ImageEmbeddings.fromSafetensors((embeddings[0] as ImageEmbeddings).toSafetensors())
    const painted = await pipeline.decode(kept, {
      numInferenceSteps: FEW.numInferenceSteps,
      decoderGuidanceScale: 2,
    })
    expect(painted.warnings).toEqual([])
    expect(painted.images[0]?.data).toEqual(images[0]?.data)
  })

  it('that were read in different ways are decoded together only where one way is named', async () => {
    const [compel] = (await pipeline.prior('a (cat)1.2', { ...PRIOR, promptSyntax: 'compel' })).embeddings
    const [plain] = (await pipeline.prior('a :( face', { ...PRIOR, seed: 8 })).embeddings
    const both = [compel, plain] as ImageEmbeddings[]
    await expect(pipeline.decode(both)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: expect.stringMatching(/promptSyntax to be given/),
    })
    expect(
      (await pipeline.decode(both, { numInferenceSteps: 1, promptSyntax: 'plain' })).images,
    ).toHaveLength(2)
  })
})

describe('a schedule over many steps', () => {
  it('is read once for each text that it makes', async () => {
    const prompt = `${'red blue star heart '.repeat(220)}[a|b]`
    const started = performance.now()
    const abort = AbortSignal.abort(new Error('enough'))
    const options = {
      promptSyntax: 'a1111',
      longPrompts: 'chunk',
      priorNumInferenceSteps: 1000,
      signal: abort,
    } as const
    await expect(pipeline.generate(prompt, options)).rejects.toThrow('enough')
    expect(performance.now() - started).toBeLessThan(2000) // 8 s when each step was tokenised
  })
})

describe('an empty prompt', () => {
  it('makes a picture of nothing in particular: guidance changes nothing then', async () => {
    const picture = await pixels('', { priorGuidanceScale: 4 })
    expect(furthest(picture, await pixels('', { priorGuidanceScale: 1 }))).toBeLessThanOrEqual(1)
    await expect(pipeline.generate(undefined as never, FEW)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    })
  })
})

describe('the cache of texts', () => {
  it('has a prompt encoded once, however many requests have it', async () => {
    const prompt = 'a yellow triangle that nobody asked for before'
    const before = pipeline.statistics.texts
    await Promise.all(Array.from({ length: 5 }, (_, seed) => pixels(prompt, { seed })))
    await pixels(`(${prompt})1.3`, { promptSyntax: 'compel' })
    const { encoded, cached, hitRate } = pipeline.statistics.texts
    expect(encoded - before.encoded).toBe(2) // one for each text encoder
    expect(cached - before.cached).toBeGreaterThan(10)
    expect(hitRate).toBeCloseTo(cached / (cached + encoded), 10)
  })
})

describe('what cannot be done', () => {
  it.each([
    ['cat.swap(dog)', 1],
    ['a cat withLora(style)', 7],
    ['a (cat', 3],
    ['("a", "b").blend(1, -1)', 2],
  ])('%s is refused with column %i', async (prompt, column) => {
    await expect(
      pipeline.generate(['a cat', prompt], { ...FEW, promptSyntax: 'compel' }),
    ).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_PROMPT_SYNTAX',
      details: { name: 'prompt[1]', column },
    })
  })
})
