import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { alphaCumprod } from '../../lib/diffusion/scheduler'
import type { FinishedImage, PreviewedImage } from '../../lib/engine/outcome'
import type { GenerateProgress } from '../../lib/request/request'
import { alone, CACHED, greys, start } from '../support/engines'
import { atCall } from '../support/fake-device'
import { fakeRequest } from '../support/fake-model'

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
