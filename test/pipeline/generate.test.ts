/** The real thing on a small model of random weights. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { difference } from '../../bench/support/reference'
import { type GeneratedImage, readParameters, type StreamEvent, WuerstchenPipeline } from '../../lib'
import { COMPANY_LEVELS } from '../support/company'
import { describeBundled, QUICK, smallModel } from '../support/models'
import { folderOf, removeFolders } from '../support/temporary-folder'

let pipeline: WuerstchenPipeline
beforeAll(async () => {
  const small = smallModel()
  pipeline = await WuerstchenPipeline.fromPretrained(small.folder, small.options)
})
afterAll(async () => {
  await pipeline?.dispose()
  removeFolders()
})

/** Turns of one picture: its steps, and Stage A. */
const TURNS = QUICK.priorNumInferenceSteps + QUICK.numInferenceSteps + 1

async function draw(prompt: string, options: object = {}): Promise<GeneratedImage> {
  const { images } = await pipeline.generate(prompt, { ...QUICK, ...options })
  const [image] = images
  if (image === undefined) throw new Error('no image')
  return image
}

describe('WuerstchenPipeline#generate()', () => {
  it('makes the same picture of the same seed, and another one of another', async () => {
    const first = await draw('a red circle')
    expect(await draw('a red circle')).toEqual(first)
    expect(difference(await draw('a red circle', { seed: 8 }), first).mean).toBeGreaterThan(1)
  })

  it('hears prompt, guidance and negative prompt', async () => {
    const plain = await draw('a red circle')
    for (const [prompt, options] of [
      ['a small yellow cat', {}],
      ['a red circle', { priorGuidanceScale: 1 }],
      ['a red circle', { decoderGuidanceScale: 3 }],
      ['a red circle', { negativePrompt: 'a blue square' }],
    ] as const) {
      expect(difference(await draw(prompt, options), plain).mean).toBeGreaterThan(0.5)
    }
  })

  it.each([
    [320, 192],
    [192, 448],
    [64, 256],
    [200, 136],
    [65, 129],
  ])('makes %i x %i pixels, where diffusers crashes or gives another size', async (width, height) => {
    const image = await draw('a red circle', {
      width,
      height,
      priorNumInferenceSteps: 1,
      numInferenceSteps: 1,
    })
    expect(image).toMatchObject({ width, height })
    expect(image.data).toHaveLength(width * height * 3)
    expect(new Set(image.data).size).toBeGreaterThan(10)
  })

  it('makes of a list of prompts, each with its negative one, what single requests make', async () => {
    const options = { ...QUICK, seed: [7, 8], decoderGuidanceScale: 2 }
    const { images } = await pipeline.generate(['a cat', 'a blue star'], {
      ...options,
      negativePrompt: ['x', 'y z'],
    })
    const alone = [
      await draw('a cat', { ...options, seed: 7, negativePrompt: 'x' }),
      await draw('a blue star', { ...options, seed: 8, negativePrompt: 'y z' }),
    ]
    expect(images).toHaveLength(2)
    for (const [index, image] of images.entries()) {
      expect(difference(image, alone[index] as GeneratedImage).largest).toBe(0)
    }
  })

  it('makes a picture the same alone and among others', async () => {
    const alone = await draw('a red circle')
    const [among] = await Promise.all([
      draw('a red circle'),
      draw('a blue square', { seed: 9, priorGuidanceScale: 1 }),
      draw('a green star', { seed: 10, decoderGuidanceScale: 3, priorNumInferenceSteps: 7 }),
      draw('a green star', { width: 192 }),
    ])
    expect(difference(among, alone).largest).toBeLessThanOrEqual(COMPANY_LEVELS)
  })

  it('makes each picture of a list of seeds as a request for it alone would', async () => {
    const { images, seeds } = await pipeline.generate('a red circle', {
      ...QUICK,
      numImagesPerPrompt: 2,
      seed: [7, 8],
    })
    expect(seeds).toEqual([7, 8])
    for (const [index, image] of images.entries()) {
      const alone = await draw('a red circle', { seed: seeds[index] })
      expect(difference(image, alone).largest).toBeLessThanOrEqual(COMPANY_LEVELS)
    }
  })

  it('draws several pictures of one seed, all different', async () => {
    const { images } = await pipeline.generate('a red circle', { ...QUICK, numImagesPerPrompt: 3 })
    const [a, b, c] = images as [GeneratedImage, GeneratedImage, GeneratedImage]
    for (const [one, other] of [
      [a, b],
      [b, c],
      [a, c],
    ] as const) {
      expect(difference(one, other).mean).toBeGreaterThan(1)
    }
  })

  it.each([
    [100, 70],
    [130, 200],
    [64, 64],
  ])('makes exactly %i x %i pixels', async (width, height) => {
    const image = await draw('a red circle', { width, height })
    expect([image.width, image.height, image.data.length]).toEqual([width, height, width * height * 3])
  })

  it('writes a picture that tells how to make it again', async () => {
    const file = join(folderOf({}), 'a.png')
    const image = await draw('a red circle')
    await image.toFile(file)
    const parameters = await readParameters(readFileSync(file))
    const again = await draw(parameters?.prompt ?? '', {
      width: parameters?.width,
      seed: parameters?.seed,
      priorNumInferenceSteps: undefined,
      priorTimesteps: parameters?.priorTimesteps,
    })
    expect(again.data).toEqual(image.data)
  })

  it('leaves the event loop free', async () => {
    const turns: number[] = []
    const hear = (message: unknown) => turns.push((message as { ms: number }).ms)
    subscribe('wuerstchen:turn', hear)
    const latest = await delayDuring(() => draw('a red circle', { width: 768, height: 768 }))
    unsubscribe('wuerstchen:turn', hear)
    // One that waited for native calls would be as late as the longest of them, on any machine.
    expect(turns).toHaveLength(QUICK.priorNumInferenceSteps + QUICK.numInferenceSteps + 1)
    expect(latest).toBeLessThan(0.5 * Math.max(...turns))
  })
})

/** How late the latest timer was, in milliseconds. */
async function delayDuring(work: () => Promise<unknown>): Promise<number> {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await work()
  histogram.disable()
  return histogram.max / 1e6
}

describe('AbortSignal', () => {
  it('stops the work within a step', async () => {
    const stop = new AbortController()
    let turnsLeft = 0
    const onTurn = () => {
      if (stop.signal.aborted) turnsLeft += 1
    }
    subscribe('wuerstchen:turn', onTurn)
    const onProgress = jest.fn(() => stop.abort(new Error('enough')))
    const endless = { priorNumInferenceSteps: 1000, signal: stop.signal, onProgress }
    await expect(draw('a red circle', endless)).rejects.toThrow('enough')
    await draw('a blue square') // its turns come after those that were left
    unsubscribe('wuerstchen:turn', onTurn)
    expect(onProgress).toHaveBeenCalledTimes(1)
    expect(turnsLeft).toBeLessThanOrEqual(1 + TURNS)
  })

  it('leaves a neighbour alone', async () => {
    const alone = await draw('a blue square')
    const stop = new AbortController()
    const onProgress = () => stop.abort(new Error('enough'))
    const endless = { priorNumInferenceSteps: 1000, signal: stop.signal, onProgress }
    const [aborted, neighbour] = await Promise.allSettled([
      draw('a red circle', endless),
      draw('a blue square'),
    ])
    expect(aborted).toMatchObject({
      status: 'rejected',
      reason: expect.objectContaining({ message: 'enough' }),
    })
    expect(neighbour.status === 'fulfilled' && difference(neighbour.value, alone).largest).toBe(0)
  })

  it('rejects with a TimeoutError when the time runs out', async () => {
    const signal = AbortSignal.timeout(20)
    await expect(draw('a red circle', { priorNumInferenceSteps: 1000, signal })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
  })
})

describe('WuerstchenPipeline#stream()', () => {
  it('yields steps and then the picture that generate() makes', async () => {
    const events: StreamEvent[] = []
    for await (const event of pipeline.stream('a red circle', QUICK)) events.push(event)
    expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['queued', 'step', 'image']))
    const last = events.at(-1)
    expect(last?.type === 'image' && last.image.data).toEqual((await draw('a red circle')).data)
  })

  it('estimates the time left', async () => {
    await draw('a red circle')
    const estimates: number[] = []
    for await (const event of pipeline.stream('a red circle', QUICK)) {
      if (event.type === 'step') estimates.push(event.etaMs ?? Number.NaN)
    }
    expect(estimates).toHaveLength(TURNS)
    for (const etaMs of estimates) {
      expect(etaMs).toBeGreaterThanOrEqual(0)
      expect(etaMs).toBeLessThan(60_000)
    }
  })
})

describe('WuerstchenPipeline#dispose()', () => {
  it('ends a pipeline in the middle of its work', async () => {
    const small = smallModel()
    const other = await WuerstchenPipeline.fromPretrained(small.folder, small.options)
    let disposed: Promise<void> | undefined
    const onProgress = () => {
      disposed ??= other.dispose()
    }
    const running = other.generate('a red circle', { ...QUICK, onProgress })
    await expect(running).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    await disposed
    await other.dispose()
    await expect(other.generate('a red circle', QUICK)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_DISPOSED',
    })
  })
})

describe('dtype', () => {
  it.each(['bfloat16', 'float16'] as const)('computes in %s', async (dtype) => {
    const small = smallModel()
    const narrow = await WuerstchenPipeline.fromPretrained(small.folder, { ...small.options, dtype })
    expect(narrow.info).toMatchObject({ dtype, devices: ['cpu'], threads: 1, model: 'small', commit: null })
    const { images } = await narrow.generate('a red circle', QUICK)
    await narrow.dispose()
    const [image] = images
    expect(image && difference(image, await draw('a red circle')).mean).toBeLessThan(20)
  })

  it('is float32 for a small model', () => {
    expect(pipeline.info.dtype).toBe('float32')
  })
})

describeBundled('the bundled model', () => {
  it('loads in well under a second and makes a picture of its own size', async () => {
    const started = performance.now()
    const bundled = await WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu', threads: 1 })
    expect(performance.now() - started).toBeLessThan(5000) // a busy machine; docs/benchmarks.md has the time
    const { images } = await bundled.generate('a red circle on a blue background', { seed: 7 })
    await bundled.dispose()
    expect(images[0]).toMatchObject({ width: 256, height: 256 })
    expect(new Set(images[0]?.data).size).toBeGreaterThan(16)
  })
})
