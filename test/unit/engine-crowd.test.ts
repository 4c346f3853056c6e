import { alone, CACHED, greys, start } from '../support/engines'
import { atCall } from '../support/fake-device'
import { fakeRequest } from '../support/fake-model'

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
