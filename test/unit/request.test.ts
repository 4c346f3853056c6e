import { runInNewContext } from 'node:vm'
import { DEFAULT_STAGE_C_TIMESTEPS, linearTimesteps } from '../../lib/diffusion/scheduler'
import { parseRequest } from '../../lib/request/request'
import { model, parse, readModel } from '../support/requests'

beforeAll(readModel)

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

    it('without a seed record a random one each, with a stream each', () => {
      const { images, streams } = parse(['a', 'b'], { numImagesPerPrompt: 3 })
      const seeds = images.map(({ seed }) => seed)
      expect(new Set(seeds).size).toBe(6)
      for (const seed of seeds) expect(Number.isSafeInteger(seed)).toBe(true)
      expect(streams).toEqual(seeds.map((seed) => ({ seed, rows: 1 })))
      expect(images.map(({ noiseStream, noiseRow }) => [noiseStream, noiseRow])).toEqual(
        seeds.map((_, index) => [index, 0]),
      )
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
})
