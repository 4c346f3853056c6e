/** Changes of the model among requests: both in the order of their arrival. */
import { Engine } from '../../lib/engine/engine'
import { Fleet } from '../../lib/engine/fleet'
import type { Request } from '../../lib/request/request'
import type { ReadPrompt } from '../../lib/request/texts'
import { atCall, FakeDevice } from '../support/fake-device'
import { fakeModel, fakeRequest } from '../support/fake-model'

const LIMITS = { maxRows: 2, maxQueue: 100 }

function start(count = 1) {
  const devices = Array.from({ length: count }, () => new FakeDevice())
  const engines = devices.map((device) => new Engine(fakeModel(device), LIMITS))
  const [first] = engines as [Engine, ...Engine[]]
  return {
    executor: count === 1 ? first : new Fleet(engines as [Engine, ...Engine[]]),
    devices,
  }
}

/** A request that is read again as what `now` says then. */
function readingAs(now: () => string, options: Parameters<typeof fakeRequest>[0] = {}): Request {
  const read = () => fakeRequest({ ...options, prompt: now() })
  return { ...read(), reread: read }
}

describe.each([
  ['an engine', 1],
  ['a fleet', 2],
])('%s', (_what, count) => {
  it('finishes what arrived before a change with what it was read as, and reads the rest again', async () => {
    const { executor } = start(count)
    let state = 'old'
    const order: string[] = []
    const ask = async (name: string, options = {}) => {
      const images = await executor.submit(readingAs(() => state, { images: 2, ...options }))
      order.push(name)
      return images.map(({ image, request }) => [image.prompt, request.images.includes(image)])
    }
    const before = ask('before', { priority: -5 })
    const change = executor
      .exclusive(async () => {
        state = 'new'
      })
      .then(() => order.push('change'))
    expect(executor.changing).toBe(true)
    const after = ask('after', { priority: 10 })
    const again = executor.exclusive(async () => {
      state = 'newer'
    })
    const last = ask('last')
    expect(await before).toEqual([
      ['old', true],
      ['old', true],
    ])
    expect((await after)[0]).toEqual(['new', true])
    expect((await last)[1]).toEqual(['newer', true])
    await Promise.all([change, again])
    expect(order).toEqual(['before', 'change', 'after', 'last'])
    expect(executor.changing).toBe(false)
  })

  it('has prompts encoded in the same order', async () => {
    const { executor, devices } = start(count)
    const encoded = () => devices.reduce((sum, device) => sum + device.named('encode').length, 0)
    const [prompt] = fakeRequest().prompts as [ReadPrompt]
    const read: number[] = []
    const reread = () => {
      read.push(encoded())
      return prompt
    }
    const texts: number[] = []
    const change = () => executor.exclusive(async () => void texts.push(encoded()))
    const ask = () => executor.embed({ prior: prompt.prior, decoder: prompt.decoder, reread })
    await Promise.all([ask(), change(), ask(), change(), ask()])
    expect(texts).toEqual([2, 4]) // two text encoders
    expect(read).toEqual([2, 4])
  })

  it('ends a request alone that cannot be read any more', async () => {
    const { executor } = start(count)
    const gone = new Error('the word is gone')
    const change = executor.exclusive(async () => undefined)
    const reread = () => {
      throw gone
    }
    const asked = executor.submit({ ...fakeRequest(), reread })
    const other = executor.submit(fakeRequest())
    await expect(asked).rejects.toBe(gone)
    await change
    await expect(other).resolves.toHaveLength(1)
    expect(executor.statistics).toMatchObject({ waiting: 0, finished: 1, failed: 1 })
  })

  it('goes on after a change that failed, and tells each reading whether more is to change', async () => {
    const { executor } = start(count)
    const settled: boolean[] = []
    const reread = (is: boolean) => {
      settled.push(is)
      return fakeRequest()
    }
    const failing = executor.exclusive(() => Promise.reject(new Error('no')))
    const first = executor.submit({ ...fakeRequest(), reread })
    const second = executor.exclusive(async () => undefined)
    const last = executor.submit(fakeRequest())
    await expect(failing).rejects.toThrow('no')
    await Promise.all([first, second, last])
    expect(settled).toEqual([true])
  })

  it('lets a request that waits for a change abort, and rejects it at once when disposed', async () => {
    const { executor, devices } = start(count)
    const running = executor.submit(fakeRequest({ images: count, priorSteps: 200 })).catch(() => undefined)
    await Promise.all(devices.map((device) => atCall(device, 'advance', 1)))
    const change = executor.exclusive(async () => undefined).catch((error: unknown) => error)
    const abort = new AbortController()
    const stopped = executor.submit(fakeRequest({ signal: abort.signal }))
    const waiting = executor.submit(fakeRequest()).catch((error: unknown) => error)
    const text = fakeRequest().prompts[0] as ReadPrompt
    const encoding = executor.embed({ prior: text.prior, decoder: text.decoder, timeoutMs: 1 })
    abort.abort(new Error('enough'))
    await expect(stopped).rejects.toThrow('enough')
    await expect(encoding).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_TIMEOUT' })
    await executor.dispose({ drain: false })
    expect(await waiting).toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    expect(await change).toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    await running
  })
})
