import { schedule } from '../../lib/diffusion/scheduler'
import { Engine } from '../../lib/engine/engine'
import type { ReadPrompt } from '../../lib/request/texts'
import { ANY_WIDTH, alone, CACHED, greys, LIMITS, start } from '../support/engines'
import { atCall } from '../support/fake-device'
import { fakeModel, fakeRequest } from '../support/fake-model'

describe('Engine#submit()', () => {
  it('takes a picture through all stages', async () => {
    const { engine, device } = start()
    const [image] = await engine.submit(fakeRequest())
    expect(image?.pixels).toMatchObject({ width: 16, height: 16 })
    expect(device.batches).toEqual(['prior 1', 'prior 1', 'prior 1', 'decoder 1', 'decoder 1'])
    expect(device.calls.at(-1)?.method).toBe('decode')
  })

  it('makes image embeddings of latents with the constants of the model', async () => {
    const { engine, device } = start()
    await engine.submit(fakeRequest())
    expect(device.named('affine')[0]?.inputs).toEqual([42, -1])
  })

  it('encodes a text once, however many images use it', async () => {
    const { engine, device } = start()
    await engine.submit(fakeRequest({ images: 4, decoderGuidanceScale: 2 }))
    expect(device.named('encode', 'priorTextEncoder')).toHaveLength(2)
    expect(device.named('encode', 'decoderTextEncoder')).toHaveLength(2)
    expect(device.named('condition', 'prior')).toHaveLength(2)
    expect(device.named('condition', 'decoder')).toHaveLength(5) // one an image, one for the negative prompt
  })

  it('takes each step with its own coefficients and its own row of the modulation', async () => {
    const { engine, device } = start()
    const request = fakeRequest()
    await engine.submit(request)
    const rows = device.named('advance', 'prior').map(({ rows }) => rows?.[0])
    expect(rows.map((row) => row?.firstStep)).toEqual([0, 1, 2])
    expect(rows.map((row) => row?.coefficients)).toEqual(
      schedule(request.prior.timesteps, { scaler: 1, s: 0.008 }).map((step) =>
        Float32Array.of(step.latents, step.prediction, step.noise),
      ),
    )
  })

  it('gives back the noise of each image that is finished', async () => {
    const { engine, device } = start()
    await engine.submit(fakeRequest({ images: 3 }))
    expect(device.noises.map(({ seed, rows, released }) => [seed, rows, [...released]])).toEqual([
      [1, 3, [0, 1, 2]],
    ])
  })

  it('skips what only guidance needs', async () => {
    const { engine, device } = start()
    await engine.submit(fakeRequest({ priorGuidanceScale: 1, decoderGuidanceScale: 0 }))
    expect(device.named('encode')).toHaveLength(2)
    expect(device.named('advance').every(({ rows }) => rows?.[0]?.negative === null)).toBe(true)
  })

  it('gives the unguided half of the decoder zeros for image embeddings', async () => {
    const { engine, device } = start()
    await engine.submit(fakeRequest({ decoderGuidanceScale: 2 }))
    const written = device.named('write').flatMap(({ inputs }) => inputs)
    expect(written).toContainEqual({ dtype: 'float32', shape: [1, 16, 2, 2], data: new Float32Array(64) })
  })

  it('makes the modulations of a schedule once', async () => {
    const { engine, device } = start()
    await engine.submit(fakeRequest())
    await engine.submit(fakeRequest({ seed: 2 }))
    expect(device.named('modulate')).toHaveLength(2)
  })

  it('returns images in the order of the request', async () => {
    const { engine } = start({ maxRows: 2 })
    const images = await engine.submit(fakeRequest({ images: 3 }))
    expect(images.map(({ image }) => image.index)).toEqual([0, 1, 2])
  })

  it('says where the time went', async () => {
    const { engine } = start()
    const [image] = await engine.submit(fakeRequest())
    const { totalMs, ...parts } = image?.timings ?? { totalMs: Number.NaN }
    expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBeCloseTo(totalMs)
    for (const part of Object.values(parts)) expect(part).toBeGreaterThanOrEqual(0)
  })

  it('frees everything but the cached modulations', async () => {
    const { engine, device } = start()
    await engine.submit(fakeRequest({ images: 3, decoderGuidanceScale: 2 }))
    expect(device.live.size).toBe(CACHED)
  })

  it('refuses more images than the queue holds, and takes them again later', async () => {
    const { engine } = start({ maxQueue: 3 })
    const first = engine.submit(fakeRequest({ images: 2 }))
    await expect(engine.submit(fakeRequest({ images: 2 }))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_QUEUE_FULL',
      message: 'Expected the images on their way to stay within maxQueue (3) but received 2 beside 2',
      retryable: true,
    })
    await first
    await expect(engine.submit(fakeRequest({ images: 2 }))).resolves.toHaveLength(2)
  })

  it('refuses for ever what never fits into the queue, and says so', async () => {
    const { engine } = start({ maxQueue: 3 })
    const error = {
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      retryable: false,
      message: 'Expected a request of at most 3 images (maxQueue) but received one of 4',
      details: { maxQueue: 3, asked: 4 },
    }
    await expect(engine.submit(fakeRequest({ images: 4 }))).rejects.toMatchObject(error)
    const first = engine.submit(fakeRequest({ images: 3 }))
    await expect(engine.submit(fakeRequest({ images: 4 }))).rejects.toMatchObject(error)
    await first
  })

  it('rejects a picture of numbers that are none', async () => {
    const { engine, device } = start()
    const { read } = device
    device.read = async (tensor) => ({
      ...(await read.call(device, tensor)),
      data: Float32Array.of(1, Number.NaN),
    })
    await expect(engine.submit(fakeRequest())).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_GENERATION_FAILED',
    })
    expect(device.live.size).toBe(CACHED)
  })
})

describe('Engine batching', () => {
  it('lets requests of one go share every step, and changes neither', async () => {
    const { engine, device } = start()
    const [a, b] = await Promise.all([
      engine.submit(fakeRequest({ seed: 1 })),
      engine.submit(fakeRequest({ seed: 2, prompt: 'a blue star' })),
    ])
    expect(device.batches).toEqual(['prior 2', 'prior 2', 'prior 2', 'decoder 2', 'decoder 2'])
    expect(greys(a)).toEqual(await alone({ seed: 1 }))
    expect(greys(b)).toEqual(await alone({ seed: 2, prompt: 'a blue star' }))
  })

  it('lets a request join and leave a running batch', async () => {
    const { engine, device } = start()
    const joined = atCall(device, 'advance', 1).then(() =>
      engine.submit(fakeRequest({ seed: 2, priorSteps: 1 })),
    )
    const first = await engine.submit(fakeRequest({ seed: 1, priorSteps: 4 }))
    expect(greys(first)).toEqual(await alone({ seed: 1, priorSteps: 4 }))
    expect(greys(await joined)).toEqual(await alone({ seed: 2, priorSteps: 1 }))
    expect(device.batches.slice(0, 3)).toEqual(['prior 1', 'prior 2', 'prior 1'])
  })

  it('keeps sizes apart', async () => {
    const { engine, device } = start()
    await Promise.all([
      engine.submit(fakeRequest({ size: 4 })),
      engine.submit(fakeRequest({ size: 8 })),
      engine.submit(fakeRequest({ size: 8, latentHeight: 4 })),
    ])
    expect(device.batches.filter((batch) => batch === 'prior 3')).toHaveLength(3) // the prior's grid is the same
    expect(device.batches.filter((batch) => batch === 'decoder 1')).toHaveLength(6)
  })

  it('mixes guided and unguided rows, up to the row limit', async () => {
    const { engine, device } = start({ maxRows: 3 })
    const [a, b, c] = await Promise.all([
      engine.submit(fakeRequest({ seed: 1 })),
      engine.submit(fakeRequest({ seed: 2, priorGuidanceScale: 1 })),
      engine.submit(fakeRequest({ seed: 3 })),
    ])
    expect(device.batches[0]).toBe('prior 2')
    expect([greys(a), greys(b), greys(c)]).toEqual([
      await alone({ seed: 1 }),
      await alone({ seed: 2, priorGuidanceScale: 1 }),
      await alone({ seed: 3 }),
    ])
  })

  it('gives each image of a request its own row of the noise', async () => {
    const { engine } = start()
    const images = greys(await engine.submit(fakeRequest({ images: 4 })))
    expect(new Set(images).size).toBe(4)
    const { engine: narrow } = start({ maxRows: 2 })
    expect(greys(await narrow.submit(fakeRequest({ images: 4 })))).toEqual(images)
  })
})

describe('Engine with weights that come and go', () => {
  it('changes them a few times for all who are in, not for every picture and turn', async () => {
    const model = { ...fakeModel(), offload: 'model' as const }
    const engine = new Engine(model, LIMITS, ANY_WIDTH)
    const { device } = model
    await Promise.all(
      Array.from({ length: 24 }, (_, seed) =>
        engine.submit(fakeRequest({ seed, priorSteps: 5 + (seed % 3), size: seed % 2 ? 4 : 8 })),
      ),
    )
    const graphs = device.calls.flatMap(({ graph }) => (graph === undefined ? [] : [graph]))
    const changes = graphs.filter((graph, index) => graph !== graphs[index - 1]).length
    // Eight at a time; each stage's encoder comes for every batch that begins it.
    expect(changes).toBeLessThan(3 * 16)
    expect(device.live.size).toBe(CACHED + 2) // three schedules of the prior
  })
})

describe('Engine batch width', () => {
  const widthsOf = async (model: ReturnType<typeof fakeModel>) => {
    const engine = new Engine(model, LIMITS)
    const { device } = model
    device.before = ({ rows, method }) => {
      if (method !== 'advance') return
      // Busy, not asleep: timers are too coarse.
      const end = performance.now() + 0.2 * (rows?.length ?? 0) ** 2
      while (performance.now() < end);
    }
    const steps = { priorSteps: 40, decoderSteps: 1, priorGuidanceScale: 1 }
    await Promise.all(Array.from({ length: 60 }, (_, seed) => engine.submit(fakeRequest({ seed, ...steps }))))
    return device.named('advance', 'prior').map(({ rows }) => rows?.length ?? 0)
  }

  it('stays narrow where a wide batch is slower by the picture', async () => {
    const widths = await widthsOf(fakeModel())
    expect(Math.max(...widths.slice(0, 10))).toBe(8)
    const late = widths.slice(widths.length >> 1)
    expect(late.filter((width) => width === 1).length).toBeGreaterThan(0.7 * late.length)
  })

  it('is not tried out where each width would have to be recorded', async () => {
    const widths = await widthsOf({ ...fakeModel(), records: true })
    expect(widths.filter((width) => width === 8).length).toBeGreaterThan(0.8 * widths.length)
    expect(widths).not.toContain(1)
  })
})

describe('Engine#embed()', () => {
  const prompt = () => {
    const [{ prior, decoder }] = fakeRequest().prompts as [ReadPrompt]
    return { prior, decoder }
  }

  it('counts as one image of the queue', async () => {
    const { engine } = start({ maxQueue: 2 })
    const first = engine.embed(prompt())
    const full = { code: 'ERR_WUERSTCHEN_QUEUE_FULL', details: { maxQueue: 2, waiting: 1, asked: 2 } }
    await expect(engine.submit(fakeRequest({ images: 2 }))).rejects.toMatchObject(full)
    const second = engine.embed(prompt())
    await expect(engine.embed(prompt())).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_QUEUE_FULL' })
    await Promise.all([first, second])
    await expect(engine.submit(fakeRequest({ images: 2 }))).resolves.toHaveLength(2)
  })

  it('ends with its signal, and leaves nothing behind', async () => {
    const { engine, device } = start()
    const stop = new AbortController()
    device.before = () => new Promise((resolve) => setTimeout(resolve, 5))
    const running = engine.embed({ ...prompt(), signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
    await expect(engine.embed({ ...prompt(), signal: stop.signal })).rejects.toThrow('enough')
    await engine.dispose({ drain: true })
    expect(device.live.size).toBe(0)
  })

  it('ends when the time is up', async () => {
    const { engine, device } = start()
    device.before = () => new Promise((resolve) => setTimeout(resolve, 50))
    await expect(engine.embed({ ...prompt(), timeoutMs: 5 })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_TIMEOUT',
    })
  })
})
