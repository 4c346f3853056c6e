import fc from 'fast-check'
import { nearest } from '../../lib/checks/names'
import { WuerstchenError } from '../../lib/errors'
import { parse, readModel, refusal } from '../support/requests'

beforeAll(readModel)

describe('parseRequest()', () => {
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
