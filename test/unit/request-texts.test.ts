import { linearTimesteps } from '../../lib/diffusion/scheduler'
import { PromptEmbeddings } from '../../lib/embeddings/prompt-embeddings'
import { parseDecodeRequest, parsePriorRequest, parseRequest } from '../../lib/request/request'
import { volume } from '../../lib/tensors/shape'
import { parametersWith } from '../support/parameters'
import { model, parse, readModel, refusal } from '../support/requests'

beforeAll(readModel)

describe('parseRequest()', () => {
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
        data: new Float32Array(volume(shape)),
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
})

describe('what has no effect', () => {
  const warnings = (options: object, prompt: unknown = 'a cat') => parse(prompt, options).warnings

  it('is told: a negative prompt without guidance', () => {
    const told = ['The negativePrompt has no effect: no guidance scale is above 1.']
    expect(warnings({ negativePrompt: 'rain', priorGuidanceScale: 1 })).toEqual(told)
    expect(warnings({ negativePrompt: ['', 'rain'], priorGuidanceScale: 0 }, ['a', 'b'])).toEqual(told)
    const prior = { negativePrompt: 'rain', priorGuidanceScale: 1 }
    expect(parsePriorRequest('a cat', prior, model).warnings).toEqual([
      'The negativePrompt has no effect: priorGuidanceScale is not above 1.',
    ])
  })

  it('is told: onPreview without previewEvery', () => {
    const onPreview = () => undefined
    expect(warnings({ onPreview })).toEqual(['onPreview is never called: previewEvery is not given.'])
    expect(warnings({ onPreview, previewEvery: 2 })).toEqual([])
  })

  it("is told: a LoRA in a prompt of AUTOMATIC1111's", () => {
    expect(warnings({ promptSyntax: 'a1111' }, ['a', 'a <lora:style:0.8>'])).toEqual([
      '<lora:style:0.8> in prompt[1] is read as text: loadLora() loads LoRAs.',
    ])
    expect(warnings({}, 'a <lora:style:0.8>')).toEqual([])
  })

  it('is not told where it has one, or was not given', () => {
    expect(warnings({ negativePrompt: 'rain' })).toEqual([])
    expect(warnings({ negativePrompt: 'rain', priorGuidanceScale: 1, decoderGuidanceScale: 2 })).toEqual([])
    expect(warnings({ negativePrompt: '', priorGuidanceScale: 1 })).toEqual([])
    const embeddings = { shape: [1, 16, 24, 24], data: new Float32Array(16 * 24 * 24) }
    expect(parseDecodeRequest(embeddings, { negativePrompt: 'rain' }, model).warnings).toEqual([])
  })
})
