import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { getEventListeners } from 'node:events'
import { Engine } from '../../lib/engine/engine'
import { Fleet } from '../../lib/engine/fleet'
import type { FinishedImage } from '../../lib/engine/outcome'
import type { ReadPrompt } from '../../lib/request/texts'
import { atCall } from '../support/fake-device'
import { fakeModel, fakeRequest } from '../support/fake-model'

function start(devices = 2, limits: { maxRows?: number; maxQueue?: number } = {}) {
  const models = Array.from({ length: devices }, () => fakeModel())
  const engines = models.map((model) => new Engine(model, { maxRows: 8, maxQueue: 100, ...limits }))
  return { fleet: new Fleet(engines as [Engine, ...Engine[]]), devices: models.map(({ device }) => device) }
}

function greys(images: readonly FinishedImage[]): (number | undefined)[] {
  return images.map(({ pixels }) => pixels?.data[0])
}

async function alone(options: Parameters<typeof fakeRequest>[0]) {
  return greys(await start(1).fleet.submit(fakeRequest(options)))
}

describe('Fleet', () => {
  it('deals the images of a request out, and changes none', async () => {
    const { fleet, devices } = start(2)
    const images = await fleet.submit(fakeRequest({ images: 5 }))
    expect(images.map(({ image }) => image.index)).toEqual([0, 1, 2, 3, 4])
    expect(greys(images)).toEqual(await alone({ images: 5 }))
    expect(devices.map((device) => device.named('decode', 'vqgan').length)).toEqual([3, 2])
    expect(fleet.statistics).toMatchObject({ waiting: 0, running: 0, finished: 5, failed: 0 })
  })

  it('gives a request to whoever has least to do', async () => {
    const { fleet, devices } = start(2)
    await Promise.all([fleet.submit(fakeRequest({ seed: 1 })), fleet.submit(fakeRequest({ seed: 2 }))])
    expect(devices.map((device) => device.named('decode', 'vqgan').length)).toEqual([1, 1])
  })

  it('lets an engine that runs dry take what another has not begun', async () => {
    const { fleet, devices } = start(2, { maxRows: 1 })
    const [slow, quick] = devices
    if (slow === undefined || quick === undefined) throw new Error('no two devices')
    slow.before = () => new Promise((resolve) => setTimeout(resolve, 5))
    const finished = await Promise.all([0, 1, 2, 3, 4, 5].map((seed) => fleet.submit(fakeRequest({ seed }))))
    const expected = await Promise.all([0, 1, 2, 3, 4, 5].map((seed) => alone({ seed })))
    expect(finished.map(greys)).toEqual(expected)
    expect(quick.named('decode', 'vqgan').length).toBeGreaterThan(3)
  })

  it('counts all images of the queue', async () => {
    const { fleet } = start(2, { maxQueue: 3 })
    const running = fleet.submit(fakeRequest({ images: 2 }))
    await expect(fleet.submit(fakeRequest({ images: 2 }))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_QUEUE_FULL',
      details: { maxQueue: 3, waiting: 2, asked: 2 },
    })
    await expect(fleet.submit(fakeRequest({ images: 4 }))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      details: { maxQueue: 3, asked: 4 },
    })
    await running
  })

  it('ends all of a request when one part of it fails', async () => {
    const { fleet, devices } = start(2)
    const [, second] = devices
    if (second === undefined) throw new Error('no second device')
    second.before = ({ method }) => {
      if (method === 'advance') throw Object.assign(new Error('bad'), { code: 'GRAPH_FAILED' })
    }
    const bad = fleet.submit(fakeRequest({ images: 2, priorSteps: 500 }))
    await expect(bad).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_GRAPH_INVALID' })
    expect(fleet.statistics).toMatchObject({ waiting: 0, running: 0, failed: 2 })
  })

  it('passes an abort on to every part', async () => {
    const { fleet, devices } = start(2)
    const abort = new AbortController()
    const steps = () => devices.map((device) => device.named('advance').length)
    Promise.all(devices.map((device) => atCall(device, 'advance', 3))).then(() =>
      abort.abort(new Error('enough')),
    )
    const running = fleet.submit({ ...fakeRequest({ images: 4, priorSteps: 500 }), signal: abort.signal })
    await expect(running).rejects.toThrow('enough')
    const atAbort = steps()
    await fleet.dispose({ drain: true })
    for (const [index, count] of steps().entries()) {
      expect(atAbort[index]).toBeGreaterThanOrEqual(3)
      expect(count).toBeLessThanOrEqual((atAbort[index] as number) + 1)
    }
    expect(devices.map(({ live }) => live.size)).toEqual([0, 0])
  })

  it('takes a signal that is a polyfill', async () => {
    const { fleet, devices } = start(2)
    const real = new AbortController()
    const { signal } = real
    const polyfill = {
      get aborted() {
        return signal.aborted
      },
      get reason() {
        return signal.reason
      },
      addEventListener: signal.addEventListener.bind(signal),
      removeEventListener: signal.removeEventListener.bind(signal),
      throwIfAborted: signal.throwIfAborted.bind(signal),
    } as unknown as AbortSignal
    const request = { ...fakeRequest({ images: 4, priorSteps: 500 }), signal: polyfill }
    const running = fleet.submit(request)
    await Promise.all(devices.map((device) => atCall(device, 'advance', 2)))
    real.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('tells of a request once, whatever came of it', async () => {
    const { fleet } = start(2)
    const told: unknown[] = []
    const onRequest = (message: unknown) => told.push(message)
    subscribe('wuerstchen:request', onRequest)
    await fleet.submit(fakeRequest({ images: 4 }))
    const mine = new Error('mine')
    const onImage = () => {
      throw mine
    }
    await expect(fleet.submit(fakeRequest({ images: 4 }), { onImage })).rejects.toBe(mine)
    unsubscribe('wuerstchen:request', onRequest)
    expect(told).toEqual([
      { part: 'generate', images: 4, ms: expect.any(Number), error: null },
      { part: 'generate', images: 4, ms: expect.any(Number), error: mine },
    ])
  })

  it('counts prompts that are encoded', async () => {
    const { fleet } = start(2, { maxQueue: 2 })
    const [{ prior, decoder }] = fakeRequest().prompts as [ReadPrompt]
    const running = [fleet.embed({ prior, decoder }), fleet.embed({ prior, decoder })]
    await expect(fleet.embed({ prior, decoder })).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_QUEUE_FULL' })
    await Promise.all(running)
  })

  it('does exclusive work once, while nothing runs anywhere', async () => {
    const { fleet, devices } = start(2)
    const begun = Promise.all(devices.map((device) => atCall(device, 'advance', 1)))
    const running = fleet.submit(fakeRequest({ images: 2 }))
    await begun
    const seen: number[] = []
    await fleet.exclusive(async () => {
      seen.push(devices.reduce((sum, device) => sum + device.named('decode', 'vqgan').length, 0))
    })
    expect(seen).toEqual([2])
    await running
    await expect(fleet.exclusive(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await expect(fleet.submit(fakeRequest())).resolves.toHaveLength(1)
  })

  it('is disposed as one', async () => {
    const { fleet, devices } = start(2)
    const running = fleet.submit(fakeRequest({ images: 2, priorSteps: 500 }))
    await Promise.all([fleet.dispose({ drain: false }), fleet.dispose({ drain: false })])
    await expect(running).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    expect(devices.map(({ closed }) => closed)).toEqual([true, true])
    await expect(fleet.exclusive(async () => undefined)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_DISPOSED',
    })
  })
})
