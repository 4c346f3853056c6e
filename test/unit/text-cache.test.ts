import { TextCache } from '../../lib/stages/text-cache'

const answer = (value: number, size = 25) => ({ shape: [size], data: new Float32Array(size).fill(value) })

describe('TextCache', () => {
  it('asks once for those who ask at the same time, and for those who come later', async () => {
    const cache = new TextCache(1000)
    const encode = jest.fn(async () => answer(1))
    const answers = await Promise.all([cache.get('a', encode), cache.get('a', encode)])
    expect(answers[0]).toBe(answers[1])
    await cache.get('a', encode)
    expect(encode).toHaveBeenCalledTimes(1)
    expect(cache.counts).toEqual({ encoded: 1, cached: 2 })
  })

  it('forgets what was not used for longest when it is full', async () => {
    const cache = new TextCache(250) // two answers of 100 bytes
    for (const key of ['a', 'b', 'a', 'c']) await cache.get(key, async () => answer(1))
    const asked = jest.fn(async () => answer(2))
    await cache.get('a', asked)
    expect(asked).not.toHaveBeenCalled()
    await cache.get('b', asked)
    expect(asked).toHaveBeenCalledTimes(1)
  })

  it('keeps nothing that is larger than it, and nothing at all with 0 bytes', async () => {
    for (const bytes of [0, 50]) {
      const cache = new TextCache(bytes)
      await cache.get('a', async () => answer(1))
      expect((await cache.get('a', async () => answer(2))).data[0]).toBe(2)
    }
  })

  it('lets a failure be that of one, and the next one asks again', async () => {
    const cache = new TextCache(1000)
    const failing = cache.get('a', () => Promise.reject(new Error('no')))
    const waiting = cache.get('a', async () => answer(2))
    await expect(failing).rejects.toThrow('no')
    expect((await waiting).data[0]).toBe(2)
  })

  it('does not keep an answer of weights that have changed meanwhile', async () => {
    const cache = new TextCache(1000)
    let finish = (_: ReturnType<typeof answer>) => {}
    const early = cache.get(
      'a',
      () =>
        new Promise((resolve) => {
          finish = resolve
        }),
    )
    cache.clear()
    finish(answer(1))
    expect((await early).data[0]).toBe(1)
    expect((await cache.get('a', async () => answer(2))).data[0]).toBe(2)
  })
})
