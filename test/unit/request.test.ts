import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { nearest } from '../../lib/checks/names'
import { DEFAULT_STAGE_C_TIMESTEPS, linearTimesteps } from '../../lib/diffusion/scheduler'
import type { ModelGeometry } from '../../lib/diffusion/sizes'
import { PromptEmbeddings } from '../../lib/embeddings/prompt-embeddings'
import { WuerstchenError } from '../../lib/errors'
import {
  type GenerateOptions,
  parseRequest,
  type Request,
  type RequestModel,
} from '../../lib/request/request'
import { loadTokenizer } from '../../lib/text/tokenizer'
import { parametersWith } from '../support/parameters'

const GEOMETRY: ModelGeometry = {
  resolutionMultiple: 42.67,
  latentStride: 4,
  multiple: 64,
  priorChannels: 16,
  latentChannels: 4,
  defaultWidth: 1536,
  defaultHeight: 1024,
}

let model: RequestModel
beforeAll(async () => {
  const limits = { maxPositions: 256, vocabularySize: 794 }
  const loaded = await loadTokenizer(join(__dirname, '../goldens/tokenizer'), limits)
  const tokenizer = Object.assign(loaded, { channels: 8 })
  model = {
    geometry: GEOMETRY,
    defaults: { priorGuidanceScale: 4, priorSteps: null, decoderSteps: 12 },
    previews: true,
    tokenizers: { prior: tokenizer, decoder: tokenizer },
  }
})

const parse = (prompt: unknown, options?: unknown): Request =>
  parseRequest(prompt as string, options as GenerateOptions, model)

const refusal = (prompt: unknown, options?: unknown, by = model): WuerstchenError => {
  try {
    parseRequest(prompt as string, options as GenerateOptions, by)
  } catch (error) {
    return error as WuerstchenError
  }
  throw new Error('The request was accepted')
}

describe('parseRequest()', () => {
  it("uses the model's guidance scale where the request names none", () => {
    const other = { ...model, defaults: { ...model.defaults, priorGuidanceScale: 2.5 } }
    expect(parseRequest('a cat', {}, other).prior.guidanceScale).toBe(2.5)
    expect(parseRequest('a cat', { priorGuidanceScale: 6 }, other).prior.guidanceScale).toBe(6)
  })

  it('refuses previews of a model that has no previewer', () => {
    expect(() => parseRequest('a cat', { previewEvery: 3 }, { ...model, previews: false })).toThrow(
      'Expected previewEvery to be none, as this model has no previewer but received 3',
    )
  })

  it("fills in diffusers' defaults, the default prior schedule and the model's size", () => {
    const request = parse('a fox')
    expect(request).toMatchObject({
      width: 1536,
      height: 1024,
      prior: { timesteps: DEFAULT_STAGE_C_TIMESTEPS, guidanceScale: 4, guided: true },
      decoder: { timesteps: linearTimesteps(12), guidanceScale: 0, guided: false },
      warnings: [],
      signal: undefined,
      onProgress: undefined,
    })
    expect(request.images).toHaveLength(1)
    expect(request.images[0]).toMatchObject({
      index: 0,
      prompt: 'a fox',
      negativePrompt: '',
      noiseStream: 0,
      noiseRow: 0,
    })
  })

  it("takes the model's own steps where it names some, evenly spaced", () => {
    const own = { ...model, defaults: { priorGuidanceScale: 2.5, priorSteps: 8, decoderSteps: 4 } }
    const request = parseRequest('a fox', undefined, own)
    expect(request.prior).toEqual({ timesteps: linearTimesteps(8), guidanceScale: 2.5, guided: true })
    expect(request.decoder.timesteps).toEqual(linearTimesteps(4))
  })

  describe('of the parameters of a picture', () => {
    const parameters = parametersWith({
      ...{ prompt: 'a fox', negativePrompt: 'grey', image: 2, images: 4, width: 320, height: 256 },
      ...{ priorGuidanceScale: 3, decoderGuidanceScale: 2 },
    })

    it('makes the very picture again, the third of four as well', () => {
      const request = parse(parameters)
      expect(request).toMatchObject({
        width: 320,
        height: 256,
        prior: { timesteps: [1, 0.5, 0], guidanceScale: 3 },
        decoder: { timesteps: [1, 0], guidanceScale: 2 },
        streams: [{ seed: 7, rows: 4 }],
      })
      expect(request.images).toMatchObject([
        { prompt: 'a fox', negativePrompt: 'grey', noiseStream: 0, noiseRow: 2 },
      ])
    })

    it('changes what the options name', () => {
      const request = parse(parameters, { width: 512, numInferenceSteps: 5, seed: 8 })
      expect(request).toMatchObject({ width: 512, height: 256, streams: [{ seed: 8, rows: 1 }] })
      expect(request.decoder.timesteps).toEqual(linearTimesteps(5))
    })

    it.each([
      [{ image: 4 }, /prompt\.image to be an integer from 0 to 3/],
      [{ images: 1e9 }, /prompt\.images to be an integer from 1 to 256/],
      [{ seed: -1 }, /prompt\.seed/],
      [{ width: 1e6 }, /width to be an integer from 64 to 4096/],
      [{ priorTimesteps: [1, 2] }, /priorTimesteps/],
      [{ priorTimesteps: null }, /not of image embeddings/],
      [{ prompt: 'x'.repeat(1e6) }, /characters/],
    ])('trusts nothing: %j', (change, message) => {
      expect(refusal({ ...parameters, ...change }).message).toMatch(message)
    })
  })

  it('treats an option that is undefined as left out', () => {
    const names = [
      'width',
      'negativePrompt',
      'priorTimesteps',
      'priorGuidanceScale',
      'seed',
      'signal',
      'onProgress',
    ]
    const options = Object.fromEntries(names.map((name) => [name, undefined]))
    const { reread: _, ...request } = parse('a fox', { seed: 1 })
    expect(parse('a fox', { ...options, seed: 1 })).toMatchObject(request)
  })

  it('is frozen through and through', () => {
    const request = parse(['a', 'b'], { seed: [1, 2], priorTimesteps: [1, 0.5, 0] })
    const frozen = (value: unknown): boolean =>
      (typeof value !== 'object' && typeof value !== 'function') ||
      value === null ||
      ArrayBuffer.isView(value) ||
      (Object.isFrozen(value) && Object.values(value).every(frozen))
    expect(frozen(request)).toBe(true)
  })

  it('does not freeze or keep what the caller passed', () => {
    const timesteps = [1, 0.5, 0]
    const options = { seed: [1], priorTimesteps: timesteps }
    const request = parse(['a'], options)
    timesteps[1] = 0.9
    expect(request.prior.timesteps).toEqual([1, 0.5, 0])
    expect(Object.isFrozen(options)).toBe(false)
  })

  it('reads each option once', () => {
    let reads = 0
    const options = {
      get width() {
        reads++
        return 512
      },
    }
    expect(parse('a', options).width).toBe(512)
    expect(reads).toBe(1)
  })

  it('sizes every stage', () => {
    expect(parse('a', { width: 1000, height: 512 }).sizes).toMatchObject({
      pixelWidth: 1024,
      priorWidth: 24,
      latentWidth: 256,
      priorHeight: 12,
      latentHeight: 128,
      crop: { left: 12, width: 1000 },
    })
  })

  it('turns numbers of steps into even schedules and takes schedules as they are', () => {
    const request = parse('a', { priorNumInferenceSteps: 60, decoderTimesteps: [0.8, 0.1, 0] })
    expect(request.prior.timesteps).toEqual(linearTimesteps(60))
    expect(request.decoder.timesteps).toEqual([0.8, 0.1, 0])
  })

  it.each([
    [0, false],
    [1, false],
    [1.0001, true],
    [100, true],
  ])('reads guidance of %p as guided: %p', (scale, guided) => {
    expect(parse('a', { decoderGuidanceScale: scale }).decoder).toMatchObject({
      guidanceScale: scale,
      guided,
    })
  })

  describe('texts', () => {
    it('are tokenised once each', () => {
      const request = parse(['a fox', 'a cat', 'a fox'], { negativePrompt: ['blur', '', 'blur'] })
      expect(request.prompts.map(({ text }) => text)).toEqual(['a fox', 'blur', 'a cat', ''])
      expect(request.prompts[0]?.prior).toEqual(model.tokenizers.prior.tokenize('a fox'))
    })

    it('leave out negative ones that no guidance uses', () => {
      const request = parse('a fox', { negativePrompt: 'blur', priorGuidanceScale: 1 })
      expect(request.prompts.map(({ text }) => text)).toEqual(['a fox'])
      expect(request.images[0]?.negativePrompt).toBe('blur')
    })

    it('share one negative prompt, or have one each', () => {
      expect(parse(['a', 'b'], { negativePrompt: 'x' }).images.map((image) => image.negativePrompt)).toEqual([
        'x',
        'x',
      ])
      expect(
        parse(['a', 'b'], { negativePrompt: ['x', 'y'] }).images.map((image) => image.negativePrompt),
      ).toEqual(['x', 'y'])
    })

    it('that are too long are cut with one warning for both text encoders', () => {
      const request = parse(`${'fox '.repeat(254)}and the tail`, { negativePrompt: '9 '.repeat(255) })
      expect(request.warnings).toEqual([
        "The text encoders read 256 tokens of prompt. They do not see 'and the tail'.",
        "The text encoders read 256 tokens of negativePrompt. They do not see '9'.",
      ])
    })

    it('that are cut are named, by place and text encoder, and their end is there as a whole', () => {
      const short = Object.assign(Object.create(model.tokenizers.prior), { length: 8 })
      const tokenizers = { prior: short, decoder: model.tokenizers.decoder }
      const tail = 'fox '.repeat(100).trim()
      const long = `a b c d e f ${tail}`
      const prompts = ['a', long, 'b', long]
      const negativePrompt = ['', '', '', `a (b) c ${'fox '.repeat(255)}`]
      for (const longPrompts of ['truncate', undefined] as const) {
        for (const promptSyntax of ['plain', 'a1111'] as const) {
          const options = { negativePrompt, longPrompts, promptSyntax }
          const request = parseRequest(prompts, options, { ...model, tokenizers })
          const [first, ...others] = request.truncated
          const names = ['prompt[1]', 'prompt[3]']
          expect(first).toEqual({ names, encoders: ['prior'], tokens: 8, text: tail })
          expect(others.map((one) => [one.names, one.encoders, one.tokens])).toEqual([
            [['negativePrompt[3]'], ['prior'], 8],
            [['negativePrompt[3]'], ['decoder'], 256],
          ])
          expect(request.warnings[0]).toMatch(
            /^The text encoder of the prior reads 8 tokens of prompt\[1\], prompt\[3\]\. It does not see 'fox .*…' \(399 characters\)\.$/,
          )
        }
      }
    })

    it('that many prompts share are named by the first three', () => {
      const long = 'fox '.repeat(255)
      const { warnings, truncated } = parse([long, long, long, long, long])
      expect(warnings).toEqual([
        expect.stringContaining('of prompt[0], prompt[1], prompt[2] and 2 more. They'),
      ])
      expect(truncated[0]?.names).toHaveLength(5)
    })

    it('that the text encoders cannot read are named by their place', () => {
      const compel = { promptSyntax: 'compel' } as const
      const a1111 = { promptSyntax: 'a1111', longPrompts: 'chunk' } as const
      const steps = Array.from({ length: 70 }, (_, step) => `[${step}:${step + 1}]`).join('')
      const cases = [
        [['a', '(b'], compel, 'prompt[1]', 1],
        [['(b'], compel, 'prompt[0]', 1],
        ['(b', compel, 'prompt', 1],
        [['a', 'b'], { ...compel, negativePrompt: ['', 'a (b'] }, 'negativePrompt[1]', 3],
        [['a', 'b'], { ...compel, negativePrompt: 'a (b' }, 'negativePrompt', 3],
        [['a', `x [a|b] ${steps}`], { ...a1111, priorNumInferenceSteps: 100 }, 'prompt[1]', 3],
        // 64 pieces, or 512 readings, are as many as there may be.
        [['a', 'b BREAK '.repeat(70)], a1111, 'prompt[1]', 'b BREAK '.length * 64 + 1],
        [['a', 'fox '.repeat(70 * 6)], { longPrompts: 'chunk' }, 'prompt[1]', 'fox '.length * 64 * 6 + 1],
        [
          ['a', `("a", "${'b '.repeat(70 * 6)}").and()`],
          { ...compel, longPrompts: 'chunk' },
          'prompt[1]',
          8 + 63 * 12,
        ],
      ] as const
      const short = Object.assign(Object.create(model.tokenizers.prior), { length: 8 })
      for (const [prompt, options, name, column] of cases) {
        const { details, message } = refusal(prompt, options, {
          ...model,
          tokenizers: { prior: short, decoder: short },
        })
        expect([details?.name, details?.column, message.startsWith(`${name}: Expected `)]).toEqual([
          name,
          column,
          true,
        ])
        expect(message).toMatch(/, at column \d+$/)
      }
    })

    it('of many words below 1 are refused with the word that is one too many', () => {
      const word = (index: number) => `(a)0.${5 + (index % 2)} `
      const prompt = Array.from({ length: 520 }, (_, index) => word(index)).join('')
      const { details } = refusal(prompt, { promptSyntax: 'compel', longPrompts: 'chunk' })
      // Three pieces, and each word once: the 510th word is one too many.
      expect(details).toMatchObject({ name: 'prompt', column: word(0).length * 509 + 2 })
    })

    it.each([
      [{ loras: 'style' }, 'prompt.loras'],
      [{ loras: [null] }, 'prompt.loras[0].name'],
      [{ loras: [{ name: 'style', scale: '1' }] }, 'prompt.loras[0].scale'],
      [{ textualInversions: null }, 'prompt.textualInversions'],
      [{ textualInversions: ['a', 7] }, 'prompt.textualInversions[1]'],
    ])('of a picture are checked like options: %j', (fields, name) => {
      const { images, ...parameters } = parse('a', { seed: 7 })
      const [prior, decoder] = [parameters.prior, parameters.decoder]
      const written = {
        ...{
          prompt: images[0]?.prompt,
          negativePrompt: '',
          seed: 7,
          image: 0,
          images: 1,
          width: 64,
          height: 64,
        },
        ...{ priorTimesteps: prior.timesteps, priorGuidanceScale: 4 },
        ...{
          decoderTimesteps: decoder.timesteps,
          decoderGuidanceScale: 0,
          model: 'shapes',
          dtype: 'float32',
        },
      }
      expect(parse(written).images).toHaveLength(1)
      expect(refusal({ ...written, ...fields }).details).toEqual({ name })
    })

    it('or embeddings of the wrong kind are named by their place', () => {
      const tensor = (...shape: number[]) => ({
        shape,
        data: new Float32Array(shape.reduce((a, b) => a * b)),
      })
      const good = { prior: tensor(1, 256, 8), decoder: tensor(1, 256, 8) }
      const bad = new PromptEmbeddings({ ...good, decoder: tensor(1, 256, 9) })
      expect(refusal(['a', bad]).details).toEqual({ name: 'prompt[1].decoder.shape' })
      expect(refusal(['a', 'b'], { negativePrompt: ['', bad] }).details).toEqual({
        name: 'negativePrompt[1].decoder.shape',
      })
      expect(refusal(['a', 'x'.repeat(20_001)]).details).toEqual({ name: 'prompt[1]' })
      expect(refusal(['a', 'b'], { negativePrompt: ['a', 7] }).details).toEqual({ name: 'negativePrompt[1]' })
    })

    it('whose embeddings were cut say so too', () => {
      const tensor = () => ({ shape: [1, 256, 8], data: new Float32Array(256 * 8) })
      const cut = [{ encoders: ['decoder'] as const, tokens: 256, text: 'and the tail' }]
      const embeddings = new PromptEmbeddings({ prior: tensor(), decoder: tensor() }, 'text', cut)
      const { truncated, warnings } = parse(['a', embeddings])
      expect(truncated).toEqual([{ names: ['prompt[1]'], ...cut[0] }])
      expect(warnings).toEqual([
        "The text encoder of the decoder reads 256 tokens of prompt[1]. It does not see 'and the tail'.",
      ])
      expect(PromptEmbeddings.fromSafetensors(embeddings.toSafetensors()).truncated).toEqual(cut)
      expect(embeddings.warnings).toEqual([
        expect.stringContaining("of prompt. It does not see 'and the tail'"),
      ])
    })
  })

  describe('images', () => {
    it('come prompt by prompt', () => {
      const { images } = parse(['a', 'b'], { numImagesPerPrompt: 2 })
      expect(images.map(({ index, prompt }) => [index, prompt])).toEqual([
        [0, 'a'],
        [1, 'a'],
        [2, 'b'],
        [3, 'b'],
      ])
    })

    it('with one seed are the rows of one stream', () => {
      const { images, streams } = parse(['a', 'b'], { numImagesPerPrompt: 2, seed: 7 })
      expect(streams).toEqual([{ seed: 7, rows: 4 }])
      expect(images.map(({ seed, noiseStream, noiseRow }) => [seed, noiseStream, noiseRow])).toEqual([
        [7, 0, 0],
        [7, 0, 1],
        [7, 0, 2],
        [7, 0, 3],
      ])
    })

    it('with a seed each have a stream each', () => {
      const { images, streams } = parse('a', { numImagesPerPrompt: 2, seed: [7, 0] })
      expect(streams).toEqual([
        { seed: 7, rows: 1 },
        { seed: 0, rows: 1 },
      ])
      expect(images.map(({ seed, noiseStream, noiseRow }) => [seed, noiseStream, noiseRow])).toEqual([
        [7, 0, 0],
        [0, 1, 0],
      ])
    })

    it('take a BigInt, of which only what the generator reads is kept where a number cannot hold it', () => {
      const seedOf = (seed: bigint) => parse('a', { seed }).streams[0]?.seed
      expect(seedOf(42n)).toBe(42)
      expect(seedOf(2n ** 40n + 1n)).toBe(2 ** 40 + 1)
      expect(seedOf(2n ** 64n - 1n)).toBe(2 ** 32 - 1)
      expect(() => seedOf(2n ** 64n)).toThrow(
        /BigInt up to 2n \*\* 64n - 1n, but received 18446744073709551616n/,
      )
      expect(() => seedOf(-1n)).toThrow(/received -1n/)
    })

    it('take typed arrays of seeds and timesteps', () => {
      const options = { seed: Uint32Array.of(3, 4), numImagesPerPrompt: 2 }
      expect(parse('a', options).streams).toEqual([
        { seed: 3, rows: 1 },
        { seed: 4, rows: 1 },
      ])
      expect(parse('a', { seed: BigUint64Array.of(5n) }).streams).toEqual([{ seed: 5, rows: 1 }])
      const { prior } = parse('a', { priorTimesteps: Float32Array.of(1, 0.5, 0) })
      expect(prior.timesteps).toEqual([1, 0.5, 0])
    })

    it('without a seed record a random one', () => {
      const seeds = Array.from({ length: 5 }, () => parse('a').images[0]?.seed)
      expect(new Set(seeds).size).toBeGreaterThan(1)
      for (const seed of seeds) expect(Number.isSafeInteger(seed)).toBe(true)
      expect(parse('a', { numImagesPerPrompt: 3 }).streams[0]?.rows).toBe(3)
    })
  })

  it('takes arrays, signals and functions of other realms', () => {
    const options = runInNewContext('({ seed: [3], priorTimesteps: [1, 0], onProgress: () => 1 })')
    expect(parse(runInNewContext('["a"]'), options).streams).toEqual([{ seed: 3, rows: 1 }])
    const { signal } = new AbortController()
    expect(parse('a', { signal }).signal).toBe(signal)
  })

  it('leaves an aborted signal to the one who waits for it', () => {
    expect(parse('a', { signal: AbortSignal.abort() }).signal?.aborted).toBe(true)
  })

  it.each([
    [undefined, undefined, 'Expected prompt to be a string or a list of strings but received undefined'],
    [5, undefined, 'Expected prompt to be a string or a list of strings but received 5'],
    [[], undefined, 'Expected prompt to be a list of strings, 1 to 256 in all, but received []'],
    [['a', 1], undefined, 'Expected prompt[1] to be a string but received 1'],
    ['a\ud800', undefined, "Expected prompt to be well-formed Unicode but received 'a\\ud800'"],
    ['a', null, 'Expected options to be an object but received null'],
    ['a', 'fast', "Expected options to be an object but received 'fast'"],
    ['a', { widht: 1 }, "Unknown option 'widht'. Did you mean 'width'?"],
    ['a', { width: null }, 'Expected width to be an integer from 64 to 4096 but received null'],
    ['a', { width: '512' }, "Expected width to be an integer from 64 to 4096 but received '512'"],
    ['a', { width: Number.NaN }, 'Expected width to be an integer from 64 to 4096 but received NaN'],
    ['a', { height: 63 }, 'Expected height to be an integer from 64 to 4096 but received 63'],
    ['a', { height: 4097 }, 'Expected height to be an integer from 64 to 4096 but received 4097'],
    ['a', { height: 512.5 }, 'Expected height to be an integer from 64 to 4096 but received 512.5'],
    ['a', { negativePrompt: null }, 'Expected negativePrompt to be a string but received null'],
    [
      'a',
      { negativePrompt: ['x', 'y'] },
      "Expected negativePrompt to be a string for each prompt, 1 in all, but received ['x', 'y']",
    ],
    ['a', { negativePrompt: [3] }, 'Expected negativePrompt[0] to be a string but received 3'],
    [
      'a',
      { priorNumInferenceSteps: 0 },
      'Expected priorNumInferenceSteps to be an integer from 1 to 1000 but received 0',
    ],
    [
      'a',
      { numInferenceSteps: 1.5 },
      'Expected numInferenceSteps to be an integer from 1 to 1000 but received 1.5',
    ],
    [
      'a',
      { numInferenceSteps: -1 },
      'Expected numInferenceSteps to be an integer from 1 to 1000 but received -1',
    ],
    [
      'a',
      { numInferenceSteps: 1001 },
      'Expected numInferenceSteps to be an integer from 1 to 1000 but received 1001',
    ],
    [
      'a',
      { priorNumInferenceSteps: 5, priorTimesteps: [1, 0] },
      'Expected priorNumInferenceSteps to be left out where priorTimesteps is given but received 5',
    ],
    [
      'a',
      { priorTimesteps: [] },
      'Expected priorTimesteps to be a list of timesteps, 2 to 1001 in all, but received []',
    ],
    [
      'a',
      { priorTimesteps: [0] },
      'Expected priorTimesteps to be a list of timesteps, 2 to 1001 in all, but received [0]',
    ],
    [
      'a',
      { priorTimesteps: 'x' },
      "Expected priorTimesteps to be a list of timesteps, 2 to 1001 in all, but received 'x'",
    ],
    ['a', { priorTimesteps: [1, 0.5] }, 'Expected priorTimesteps[1], the last, to be 0 but received 0.5'],
    [
      'a',
      { priorTimesteps: [1.5, 0] },
      'Expected priorTimesteps[0] to be a number from 1 down to 0 but received 1.5',
    ],
    [
      'a',
      { priorTimesteps: [1, '0'] },
      "Expected priorTimesteps[1] to be a number from 1 down to 0 but received '0'",
    ],
    [
      'a',
      { priorTimesteps: [1, Number.NaN, 0] },
      'Expected priorTimesteps[1] to be a number from 1 down to 0 but received NaN',
    ],
    [
      'a',
      { decoderTimesteps: [1, 1, 0] },
      'Expected decoderTimesteps[1] to be less than the timestep before it (1) but received 1',
    ],
    [
      'a',
      { decoderTimesteps: [0.5, 0.7, 0] },
      'Expected decoderTimesteps[1] to be less than the timestep before it (0.5) but received 0.7',
    ],
    [
      'a',
      { decoderTimesteps: [1, 1 - 1e-12, 0] },
      'Expected decoderTimesteps[1] to be less than the timestep before it (1) but received 0.999999999999',
    ],
    [
      'a',
      { priorGuidanceScale: -1 },
      'Expected priorGuidanceScale to be a number from 0 to 100 but received -1',
    ],
    [
      'a',
      { priorGuidanceScale: 101 },
      'Expected priorGuidanceScale to be a number from 0 to 100 but received 101',
    ],
    [
      'a',
      { decoderGuidanceScale: Number.NaN },
      'Expected decoderGuidanceScale to be a number from 0 to 100 but received NaN',
    ],
    [
      'a',
      { decoderGuidanceScale: Number.POSITIVE_INFINITY },
      'Expected decoderGuidanceScale to be a number from 0 to 100 but received Infinity',
    ],
    ['a', { priority: 11 }, 'Expected priority to be an integer from -10 to 10 but received 11'],
    ['a', { priority: '1' }, /priority/],
    ['a', { timeoutMs: 0 }, 'Expected timeoutMs to be an integer from 1 to 86400000 but received 0'],
    [
      'a',
      { numImagesPerPrompt: 0 },
      'Expected numImagesPerPrompt to be an integer from 1 to 64 but received 0',
    ],
    [
      'a',
      { numImagesPerPrompt: 65 },
      'Expected numImagesPerPrompt to be an integer from 1 to 64 but received 65',
    ],
    [
      ['a', 'b', 'c', 'd', 'e'],
      { numImagesPerPrompt: 64 },
      'Expected numImagesPerPrompt times prompts to be at most 256 images but received 320',
    ],
    [
      'a',
      { seed: -1 },
      'Expected seed to be an integer from 0 to 9007199254740991, or a BigInt up to 2n ** 64n - 1n, but received -1',
    ],
    [
      'a',
      { seed: 2 ** 53 },
      'Expected seed to be an integer from 0 to 9007199254740991, or a BigInt up to 2n ** 64n - 1n, but received 9007199254740992',
    ],
    [
      'a',
      { seed: null },
      'Expected seed to be an integer from 0 to 9007199254740991, or a BigInt up to 2n ** 64n - 1n, but received null',
    ],
    [
      'a',
      { seed: -5n },
      'Expected seed to be an integer from 0 to 9007199254740991, or a BigInt up to 2n ** 64n - 1n, but received -5n',
    ],
    ['a', { seed: [] }, 'Expected seed to be a list with a seed for each image, 1 in all, but received []'],
    [
      'a',
      { seed: ['x'] },
      "Expected seed[0] to be an integer from 0 to 9007199254740991, or a BigInt up to 2n ** 64n - 1n, but received 'x'",
    ],
    ['a', { signal: {} }, 'Expected signal to be an AbortSignal but received an object'],
    ['a', { signal: true }, 'Expected signal to be an AbortSignal but received true'],
    ['a', { onProgress: 1 }, 'Expected onProgress to be a function but received 1'],
    ['a', { onPreview: 1 }, 'Expected onPreview to be a function but received 1'],
    ['a', { previewEvery: 0 }, 'Expected previewEvery to be an integer from 1 to 1000 but received 0'],
  ])('refuses %j with %j', (prompt, options, message) => {
    expect(refusal(prompt, options)).toMatchObject({ code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT', message })
  })

  it('refuses a prompt of megabytes at once and with a short message', () => {
    const huge = 'a'.repeat(10_000_000)
    const started = performance.now()
    const error = refusal(huge)
    expect(error.message).toMatch(
      /^Expected prompt to be at most 20000 characters long but received 'aaa.{1,90}$/,
    )
    expect(refusal('a', { negativePrompt: huge }).message.length).toBeLessThan(200)
    expect(refusal(Array.from({ length: 20 }, (_, i) => `${i}${'a'.repeat(15_000)}`)).message).toBe(
      'Expected all prompts together to be at most 200000 characters long but received 300030',
    )
    expect(performance.now() - started).toBeLessThan(1000)
  })

  it('refuses whatever else it is given with a typed error, and nothing but that', () => {
    const names = [
      'width',
      'height',
      'negativePrompt',
      'priorTimesteps',
      'seed',
      'numImagesPerPrompt',
      'signal',
      'x',
    ]
    const options = fc.dictionary(fc.constantFrom(...names), fc.anything())
    fc.assert(
      fc.property(fc.anything(), fc.oneof(options, fc.anything()), (prompt, given) => {
        try {
          parse(prompt, given)
        } catch (error) {
          expect(error).toBeInstanceOf(WuerstchenError)
          expect(error).toMatchObject({ code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT' })
          expect((error as Error).message.length).toBeLessThan(600)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('nearest()', () => {
  const names = [
    'width',
    'height',
    'numInferenceSteps',
    'priorNumInferenceSteps',
    'priorGuidanceScale',
    'seed',
  ]

  it.each([
    ['with', 'width'],
    ['Width', 'width'],
    ['num_inference_steps', 'numInferenceSteps'],
    ['prior_num_inference_steps', 'priorNumInferenceSteps'],
    ['guidanceScale', 'priorGuidanceScale'],
    ['seeds', 'seed'],
    ['quality', undefined],
    ['x'.repeat(100_000), undefined],
  ])('of %s is %s', (name, wanted) => {
    expect(nearest(name, names)).toBe(wanted)
  })
})
