import { alone, CACHED, greys, start } from '../support/engines'
import { atCall } from '../support/fake-device'
import { fakeRequest } from '../support/fake-model'

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
