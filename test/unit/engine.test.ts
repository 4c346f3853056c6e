import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { alphaCumprod, schedule } from '../../lib/diffusion/scheduler'
import { Engine } from '../../lib/engine/engine'
import type { FinishedImage, PreviewedImage } from '../../lib/engine/outcome'
import type { GenerateProgress } from '../../lib/request/request'
import type { ReadPrompt } from '../../lib/request/texts'
import { atCall, type FakeDevice } from '../support/fake-device'
import { fakeModel, fakeRequest } from '../support/fake-model'

const LIMITS = { maxRows: 8, maxQueue: 100 }

/** A fake device's pace says nothing. */
const ANY_WIDTH = { record: () => undefined, widest: () => Number.POSITIVE_INFINITY }

function start(limits: Partial<typeof LIMITS> = {}): { engine: Engine; device: FakeDevice } {
  const model = fakeModel()
  return { engine: new Engine(model, { ...LIMITS, ...limits }, ANY_WIDTH), device: model.device }
}

function greys(images: readonly FinishedImage[]): number[] {
  return images.map(({ pixels }) => pixels?.data[0] ?? -1)
}

/** What stays allocated between requests: a modulation per stage. */
const CACHED = 2

async function alone(options: Parameters<typeof fakeRequest>[0]): Promise<number[]> {
  return greys(await start().engine.submit(fakeRequest(options)))
}

describe('Engine#statistics', () => {
  it('counts turns, steps, rows and images', async () => {
    const { engine } = start()
    expect(engine.statistics).toMatchObject({ waiting: 0, running: 0, finished: 0, failed: 0 })
    await Promise.all([engine.submit(fakeRequest({ images: 2 })), engine.submit(fakeRequest({ seed: 5 }))])
    const { waiting, running, finished, failed, stages } = engine.statistics
    expect({ waiting, running, finished, failed }).toEqual({ waiting: 0, running: 0, finished: 3, failed: 0 })
    expect(stages.prior).toMatchObject({ turns: 3, steps: 9, rows: 18 }) // guided
    expect(stages.decoder).toMatchObject({ turns: 2, steps: 6, rows: 6 })
    expect(stages.vqgan).toMatchObject({ turns: 3, steps: 3, rows: 3 })
    expect(stages.prior.busyMs).toBeGreaterThanOrEqual(0)
  })

  it('counts what waits, what runs and what failed', async () => {
    const { engine, device } = start({ maxRows: 1 })
    const abort = new AbortController()
    const stopped = engine.submit({ ...fakeRequest({ images: 2 }), signal: abort.signal })
    await atCall(device, 'advance', 2)
    expect(engine.statistics).toMatchObject({ waiting: 1, running: 1, finished: 0 })
    abort.abort(new Error('enough'))
    await expect(stopped).rejects.toThrow('enough')
    expect(engine.statistics).toMatchObject({ waiting: 0, running: 0, finished: 0, failed: 2 })
  })

  it('tells those who listen, whatever came of it', async () => {
    const heard: { turns: unknown[]; requests: unknown[] } = { turns: [], requests: [] }
    const onTurn = (message: unknown) => heard.turns.push(message)
    const onRequest = (message: unknown) => heard.requests.push(message)
    subscribe('wuerstchen:turn', onTurn)
    subscribe('wuerstchen:request', onRequest)
    const { engine } = start()
    const reason = new Error('no')
    await engine.submit(fakeRequest({ images: 2 }))
    await expect(engine.submit(fakeRequest(), { onProgress: () => Promise.reject(reason) })).rejects.toBe(
      reason,
    )
    unsubscribe('wuerstchen:turn', onTurn)
    unsubscribe('wuerstchen:request', onRequest)
    expect(heard.turns[0]).toEqual({
      stage: 'prior',
      key: expect.stringMatching(/^prior \d+x\d+ \d+$/),
      images: 2,
      rows: 4,
      ms: expect.any(Number),
    })
    expect(heard.requests).toEqual([
      { part: 'generate', images: 2, ms: expect.any(Number), error: null },
      { part: 'generate', images: 1, ms: expect.any(Number), error: reason },
    ])
  })
})

describe('Previews', () => {
  it('come after every so many steps of the prior, to whoever wants them', async () => {
    const { engine, device } = start()
    const seen: [number, number, number][] = []
    const request = fakeRequest({ images: 2, priorSteps: 5, previewEvery: 2 })
    const plain = greys(await engine.submit(request))
    expect(device.named('decode', 'previewer')).toHaveLength(0)
    const onPreview = ({ image, step, steps }: PreviewedImage) => seen.push([image.index, step, steps])
    expect(greys(await engine.submit(request, { onPreview: (preview) => void onPreview(preview) }))).toEqual(
      plain,
    )
    expect(seen).toEqual([
      [0, 2, 5],
      [1, 2, 5],
      [0, 4, 5],
      [1, 4, 5],
    ])
    expect(device.named('decode', 'previewer')).toHaveLength(4)
    expect(device.live.size).toBe(CACHED)
  })

  it('are made of what the last prediction leaves, scaled as image embeddings are', async () => {
    const { engine, device } = start()
    await engine.submit(fakeRequest({ priorSteps: 2, previewEvery: 1 }), { onPreview: () => undefined })
    const [first] = device.named('advance', 'prior').map(({ rows }) => rows?.[0])
    const now = alphaCumprod(1, { scaler: 1, s: 0.008 })
    expect(first?.clean?.coefficients[0]).toBeCloseTo(1 / Math.sqrt(now), 3)
    expect(first?.clean?.coefficients[1]).toBeCloseTo(-Math.sqrt((1 - now) / now), 3)
    expect(device.named('affine').map(({ inputs }) => inputs)).toContainEqual([42, -1])
  })

  it('end their request, and nothing else, when the callback throws', async () => {
    const { engine } = start()
    const reason = new Error('no')
    const onPreview = () => {
      throw reason
    }
    const [bad, good] = await Promise.allSettled([
      engine.submit(fakeRequest({ previewEvery: 1 }), { onPreview }),
      engine.submit(fakeRequest({ seed: 9 })),
    ])
    expect(bad).toEqual({ status: 'rejected', reason })
    expect(good.status).toBe('fulfilled')
  })
})

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
      retryable: true,
    })
    await first
    await expect(engine.submit(fakeRequest({ images: 2 }))).resolves.toHaveLength(2)
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

describe('Engine failures', () => {
  it('fails only the job that fails by itself', async () => {
    const { engine, device } = start()
    device.before = ({ rows }) => {
      if (rows?.some(({ guidanceScale }) => guidanceScale === 13)) {
        throw Object.assign(new Error('not enough memory'), { code: 'OUT_OF_MEMORY' })
      }
    }
    const bad = engine.submit(fakeRequest({ seed: 1, priorGuidanceScale: 13 }))
    const good = engine.submit(fakeRequest({ seed: 2 }))
    await expect(bad).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_OUT_OF_MEMORY', retryable: true })
    expect(greys(await good)).toEqual(await alone({ seed: 2 }))
    expect(device.live.size).toBe(CACHED)
  })

  it('makes batches smaller when one does not fit', async () => {
    const { engine, device } = start()
    device.before = ({ rows }) => {
      if ((rows?.length ?? 0) > 2)
        throw Object.assign(new Error('not enough memory'), { code: 'OUT_OF_MEMORY' })
    }
    const images = await engine.submit(fakeRequest({ images: 4, priorGuidanceScale: 1 }))
    expect(greys(images)).toEqual(await alone({ images: 4, priorGuidanceScale: 1 }))
    const failed = device.named('advance').filter(({ rows }) => (rows?.length ?? 0) > 2)
    expect(failed).toHaveLength(2) // at a limit of eight rows, and of four
    expect(engine.statistics).toMatchObject({ maxRows: 2, shortages: 2 })
  })

  it('makes them wider again when memory is there again', async () => {
    const { engine, device } = start()
    let short = true
    device.before = ({ rows }) => {
      if (short && (rows?.length ?? 0) > 2)
        throw Object.assign(new Error('not enough memory'), { code: 'OUT_OF_MEMORY' })
    }
    const request = { images: 4, priorGuidanceScale: 1, priorSteps: 200 }
    const expected = await alone(request)
    expect(greys(await engine.submit(fakeRequest(request)))).toEqual(expected)
    expect(engine.statistics.maxRows).toBeLessThan(8)
    short = false
    for (let again = 0; again < 3; again++) await engine.submit(fakeRequest(request))
    expect(engine.statistics).toMatchObject({ maxRows: 8 })
    expect(greys(await engine.submit(fakeRequest(request)))).toEqual(expected)
    expect(device.batches.slice(-150)).toContain('prior 4')
  })

  it('tries less and less often where memory stays short', async () => {
    const { engine, device } = start()
    device.before = ({ rows }) => {
      if ((rows?.length ?? 0) > 2)
        throw Object.assign(new Error('not enough memory'), { code: 'OUT_OF_MEMORY' })
    }
    const request = { images: 4, priorGuidanceScale: 1, priorSteps: 900 }
    await engine.submit(fakeRequest(request))
    const { shortages } = engine.statistics
    await engine.submit(fakeRequest(request))
    expect(shortages).toBeLessThan(8)
    expect(engine.statistics.shortages - shortages).toBeLessThanOrEqual(shortages)
  })

  it('fails the request whose preparation fails, and no other', async () => {
    const { engine, device } = start()
    device.before = ({ method }) => {
      if (method === 'encode' && device.named('encode').length === 1) {
        throw Object.assign(new Error('bad graph'), { code: 'GRAPH_FAILED' })
      }
    }
    const bad = engine.submit(fakeRequest())
    const good = engine.submit(fakeRequest({ seed: 2 }))
    await expect(bad).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_GRAPH_INVALID' })
    expect(greys(await good)).toEqual(await alone({ seed: 2 }))
  })

  it('calls a broken promise of its own a bug', async () => {
    const { engine, device } = start()
    device.before = () => {
      throw Object.assign(new Error('Expected rows to be an array'), { code: 'INVALID_ARGUMENT' })
    }
    await expect(engine.submit(fakeRequest())).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INTERNAL',
      message: expect.stringMatching(/This is a bug\.$/),
    })
  })
})

describe('Engine aborts', () => {
  it('refuses a request that is aborted already', async () => {
    const { engine, device } = start()
    const reason = new Error('changed my mind')
    await expect(engine.submit(fakeRequest({ signal: AbortSignal.abort(reason) }))).rejects.toBe(reason)
    expect(device.calls).toEqual([])
  })

  for (const [method, count] of [
    ['encode', 1],
    ['condition', 1],
    ['drawLatents', 1],
    ['advance', 2],
    ['affine', 1],
    ['condition', 3],
    ['advance', 4],
    ['decode', 1],
  ] as const) {
    it(`stops at ${method} ${count} within one call, frees all, and leaves its neighbour alone`, async () => {
      const { engine, device } = start()
      const stop = new AbortController()
      const reason = new Error('enough')
      atCall(device, method, count).then(() => stop.abort(reason))
      const aborted = engine.submit(fakeRequest({ seed: 1, signal: stop.signal }))
      const callsAtEnd = aborted.catch((error) => ({ error, calls: device.calls.length }))
      await expect(callsAtEnd).resolves.toMatchObject({ error: reason })
      const neighbour = engine.submit(fakeRequest({ seed: 2 }))
      expect(greys(await neighbour)).toEqual(await alone({ seed: 2 }))
      expect(device.live.size).toBe(CACHED)
    })
  }

  it('starts no further call for an aborted request', async () => {
    const { engine, device } = start()
    const stop = new AbortController()
    atCall(device, 'advance', 1).then(() => stop.abort())
    await expect(engine.submit(fakeRequest({ priorSteps: 50, signal: stop.signal }))).rejects.toThrow()
    await engine.dispose({ drain: true })
    expect(device.named('advance')).toHaveLength(1)
  })

  it('leaves no listener on the signal', async () => {
    const { engine } = start()
    const { signal } = new AbortController()
    const remove = jest.spyOn(signal, 'removeEventListener')
    await engine.submit(fakeRequest({ signal }))
    expect(remove).toHaveBeenCalledTimes(1)
  })
})

describe('Engine callbacks', () => {
  it('reports every step of every image', async () => {
    const { engine } = start()
    const seen: GenerateProgress[] = []
    await engine.submit(fakeRequest({ images: 2 }), { onProgress: (progress) => void seen.push(progress) })
    const ofSecond = seen
      .filter(({ index }) => index === 1)
      .map(({ stage, step, steps }) => `${stage} ${step}/${steps}`)
    expect(ofSecond).toEqual([
      'prior 1/3',
      'prior 2/3',
      'prior 3/3',
      'decoder 1/2',
      'decoder 2/2',
      'vqgan 1/1',
    ])
  })

  it('estimates the time left once every stage was measured', async () => {
    const { engine } = start()
    const estimates: (number | null)[] = []
    const onProgress = ({ etaMs }: GenerateProgress) => void estimates.push(etaMs)
    await engine.submit(fakeRequest(), { onProgress })
    expect(estimates.slice(0, 3)).toEqual([null, null, null])
    expect(estimates.at(-1)).toBe(0)
    estimates.length = 0
    await engine.submit(fakeRequest(), { onProgress })
    expect(estimates.every((estimate) => typeof estimate === 'number')).toBe(true)
  })

  it('keeps no image that it has handed over', async () => {
    const { engine } = start()
    const seen: number[] = []
    const onImage = ({ image }: FinishedImage) => void seen.push(image.index)
    expect(await engine.submit(fakeRequest({ images: 2 }), { onImage })).toEqual([])
    expect(seen).toEqual([0, 1])
  })

  it('hands each image over as soon as it is finished', async () => {
    const { engine } = start({ maxRows: 2 })
    const order: string[] = []
    await engine.submit(fakeRequest({ images: 2, priorSteps: 1, decoderSteps: 1 }), {
      onImage: ({ image }) => void order.push(`image ${image.index}`),
      onProgress: ({ stage, index }) => void order.push(`${stage} ${index}`),
    })
    expect(order.indexOf('image 0')).toBeLessThan(order.indexOf('image 1'))
  })

  for (const [what, fail] of [
    [
      'throws',
      () => {
        throw new Error('mine')
      },
    ],
    ['rejects', () => Promise.reject(new Error('mine'))],
  ] as const) {
    it(`rejects only the request whose callback ${what}`, async () => {
      const { engine, device } = start()
      const bad = engine.submit(fakeRequest({ seed: 1 }), { onProgress: fail })
      const good = engine.submit(fakeRequest({ seed: 2 }))
      await expect(bad).rejects.toThrow('mine')
      expect(greys(await good)).toEqual(await alone({ seed: 2 }))
      expect(device.live.size).toBe(CACHED)
    })
  }

  it('calls nobody back about a request that has ended', async () => {
    const { engine } = start()
    const stop = new AbortController()
    let calls = 0
    const onProgress = () => {
      calls += 1
      stop.abort()
    }
    await expect(
      engine.submit(fakeRequest({ images: 3, signal: stop.signal }), { onProgress }),
    ).rejects.toThrow()
    expect(calls).toBe(1)
  })

  it('rejects when the last callback throws, and tells of it once', async () => {
    const { engine } = start()
    const told: unknown[] = []
    const onRequest = (message: unknown) => told.push(message)
    subscribe('wuerstchen:request', onRequest)
    const mine = new Error('mine')
    const onImage = () => {
      throw mine
    }
    await expect(engine.submit(fakeRequest(), { onImage })).rejects.toBe(mine)
    unsubscribe('wuerstchen:request', onRequest)
    expect(told).toEqual([expect.objectContaining({ error: mine })])
  })

  it('accepts a new request from a callback', async () => {
    const { engine } = start()
    let second: Promise<FinishedImage[]> | undefined
    await engine.submit(fakeRequest(), {
      onImage: () => {
        second = engine.submit(fakeRequest({ seed: 2 }))
      },
    })
    expect(greys((await second) ?? [])).toEqual(await alone({ seed: 2 }))
  })
})

describe('A request with a time limit', () => {
  it('is rejected when the time is up, wherever it stands, and leaves nothing behind', async () => {
    const { engine, device } = start()
    device.before = () => new Promise((resolve) => setTimeout(resolve, 1)) // 1000 steps take a second at least
    const neighbour = engine.submit(fakeRequest({ seed: 2, priorSteps: 30 }))
    const late = engine.submit(fakeRequest({ priorSteps: 1000, timeoutMs: 30 }))
    await expect(late).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_TIMEOUT',
      retryable: true,
      details: { timeoutMs: 30 },
    })
    expect(greys(await neighbour)).toEqual(await alone({ seed: 2, priorSteps: 30 }))
    expect(engine.size).toBe(0)
    await engine.dispose({ drain: true })
    expect(device.live.size).toBe(0)
  })

  it('takes no notice of it when it is in time, and keeps no timer', async () => {
    const { engine } = start()
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    await engine.submit(fakeRequest({ timeoutMs: 60_000 }))
    expect(timers()).toBe(before)
  })
})

describe('Engine#submit() in a crowd', () => {
  it('finishes equal requests in order of arrival, the first of them early', async () => {
    const { engine, device } = start()
    const ends: number[] = []
    const order: number[] = []
    const all = Array.from({ length: 60 }, (_, seed) =>
      engine.submit(fakeRequest({ seed, priorSteps: 20, decoderSteps: 8 })).then(() => {
        order.push(seed)
        ends.push(device.named('advance').length)
      }),
    )
    await Promise.all(all)
    expect(order).toEqual([...order].sort((a, b) => a - b))
    const last = ends.at(-1) ?? 0
    expect(last).toBe((60 / 4) * 28) // four guided pictures fill a batch
    expect(ends[0] ?? last).toBeLessThan(0.1 * last)
    expect(ends[30] ?? last).toBeLessThan(0.6 * last)
    expect(device.live.size).toBe(CACHED)
  })

  it('holds tensors of a few pictures, however many are on their way', async () => {
    const most = async (images: number) => {
      const { engine, device } = start()
      let live = 0
      device.before = () => {
        live = Math.max(live, device.live.size)
      }
      const one = (seed: number) => engine.submit(fakeRequest({ seed, priorSteps: 9 }))
      await Promise.all(Array.from({ length: images }, (_, seed) => one(seed)))
      return live
    }
    expect(await most(90)).toBeLessThan(1.3 * (await most(20)))
  })

  it('holds what texts were made into no longer than some image needs it', async () => {
    const { engine, device } = start()
    const request = fakeRequest({ images: 12, priorSteps: 2, decoderSteps: 40 })
    const prompts = request.images.map(({ index }) => ({
      ...(request.prompts[0] as (typeof request.prompts)[number]),
      key: `text ${index}`,
    }))
    const negative = request.prompts.slice(1)
    const images = request.images.map((image) => ({ ...image, promptKey: `text ${image.index}` }))
    let conditions = 0
    const made: { readonly disposed: boolean }[] = []
    const { run } = device
    device.run = async (graph, method, inputs) => {
      const tensors = await run.call(device, graph, method, inputs)
      if (method === 'condition' && (graph as { name?: string }).name === 'prior') {
        made.push(...(tensors as unknown as typeof made))
      }
      return tensors
    }
    device.before = () => {
      conditions = Math.max(conditions, made.filter(({ disposed }) => !disposed).length)
    }
    await engine.submit({ ...request, prompts: [...prompts, ...negative], images })
    expect(made).toHaveLength(13)
    expect(conditions).toBeLessThanOrEqual(9)
  })
})

describe('Engine#submit() with priorities', () => {
  it('finishes an urgent request soon, however many others are on their way', async () => {
    const { engine, device } = start()
    const steps = { priorSteps: 20, decoderSteps: 8 }
    const one = (seed: number) => engine.submit(fakeRequest({ seed, ...steps }))
    const others = Promise.all(Array.from({ length: 99 }, (_, seed) => one(seed)))
    await atCall(device, 'advance', 60)
    await engine.submit(fakeRequest({ seed: 200, priority: 10, ...steps }))
    expect(device.named('advance').length).toBeLessThan(60 + 1.3 * (20 + 8))
    await others
  })

  it('finishes the more important request first', async () => {
    const { engine } = start({ maxRows: 1 })
    const order: string[] = []
    await Promise.all([
      engine.submit(fakeRequest({ seed: 1 })).then(() => order.push('usual')),
      engine.submit(fakeRequest({ seed: 2, priority: 5 })).then(() => order.push('urgent')),
    ])
    expect(order).toEqual(['urgent', 'usual'])
  })
})

describe('Engine#dispose()', () => {
  it('rejects what is unfinished and frees everything', async () => {
    const { engine, device } = start()
    const running = engine.submit(fakeRequest({ priorSteps: 50 }))
    const queued = atCall(device, 'advance', 2).then(() => engine.submit(fakeRequest({ size: 8 })))
    const disposed = atCall(device, 'advance', 3).then(() => engine.dispose({ drain: false }))
    const code = 'ERR_WUERSTCHEN_DISPOSED'
    await expect(running).rejects.toMatchObject({ code })
    await expect(queued).rejects.toMatchObject({ code })
    await disposed
    expect(device.closed).toBe(true)
    expect(device.live.size).toBe(0)
    expect(device.named('advance')).toHaveLength(3)
  })

  it('lets everything finish first when it drains, and takes nothing new', async () => {
    const { engine, device } = start()
    const running = engine.submit(fakeRequest({ images: 3 }))
    const disposed = atCall(device, 'advance', 2).then(() => {
      const draining = engine.dispose({ drain: true })
      return Promise.all([draining, engine.submit(fakeRequest()).catch((error: unknown) => error)])
    })
    expect(greys(await running)).toEqual(await alone({ images: 3 }))
    const [, refused] = await disposed
    expect(refused).toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    expect(device.closed).toBe(true)
    expect(device.live.size).toBe(0)
  })

  it('does no exclusive work that still waits, but when it drains', async () => {
    for (const drain of [false, true]) {
      const { engine, device } = start()
      const running = engine.submit(fakeRequest({ priorSteps: 20 })).catch(() => undefined)
      await atCall(device, 'advance', 2)
      let done = false
      const change = engine
        .exclusive(async () => {
          done = true
        })
        .catch((error: unknown) => error)
      await engine.dispose({ drain })
      await running
      expect(done).toBe(drain)
      if (!drain) expect(await change).toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    }
  })

  it('stops draining when it is asked again without', async () => {
    const { engine, device } = start()
    const running = engine.submit(fakeRequest({ priorSteps: 50 }))
    const draining = engine.dispose({ drain: true })
    await atCall(device, 'advance', 2)
    await Promise.all([engine.dispose({ drain: false }), draining])
    await expect(running).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    expect(device.named('advance').length).toBeLessThan(5)
  })

  it('is safe twice, at once and later', async () => {
    const { engine } = start()
    await Promise.all([engine.dispose({ drain: false }), engine.dispose({ drain: false })])
    await engine.dispose({ drain: false })
  })

  it('refuses requests afterwards', async () => {
    const { engine } = start()
    const disposed = engine.dispose({ drain: false })
    await expect(engine.submit(fakeRequest())).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    await disposed
  })

  it('works from a callback', async () => {
    const { engine, device } = start()
    let disposed: Promise<void> | undefined
    const running = engine.submit(fakeRequest(), {
      onProgress: () => {
        disposed = engine.dispose({ drain: false })
      },
    })
    await expect(running).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    await disposed
    expect(device.live.size).toBe(0)
  })
})
