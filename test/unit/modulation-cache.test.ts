import { ModulationCache } from '../../lib/stages/modulation-cache'

function recorder() {
  const freed: string[] = []
  const made: string[] = []
  const cache = new ModulationCache(async (ratios) => {
    const name = ratios.join()
    made.push(name)
    return { shape: [ratios.length, 1], dispose: () => freed.push(name) }
  }, 2)
  return { cache, made, freed }
}

const of = (...ratios: number[]) => Float32Array.from(ratios)

describe('ModulationCache', () => {
  it('makes a table once for equal schedules', async () => {
    const { cache, made } = recorder()
    const first = await cache.acquire(of(1, 0.5))
    const second = await cache.acquire(of(1, 0.5))
    expect(second.tensor).toBe(first.tensor)
    expect(made).toEqual(['1,0.5'])
  })

  it('forgets the least recently used', async () => {
    const { cache, made, freed } = recorder()
    for (const ratio of [1, 2, 1, 3]) (await cache.acquire(of(ratio))).dispose()
    expect(freed).toEqual(['2'])
    await cache.acquire(of(1))
    expect(made).toEqual(['1', '2', '3'])
  })

  it('frees a forgotten table only after its last user', async () => {
    const { cache, freed } = recorder()
    const lease = await cache.acquire(of(1))
    for (const ratio of [2, 3]) (await cache.acquire(of(ratio))).dispose()
    expect(freed).toEqual([])
    lease.dispose()
    lease.dispose()
    expect(freed).toEqual(['1'])
  })

  it('frees everything when it is disposed, what is in use as soon as it is not', async () => {
    const { cache, freed } = recorder()
    const lease = await cache.acquire(of(1))
    ;(await cache.acquire(of(2))).dispose()
    cache.dispose()
    expect(freed).toEqual(['2'])
    lease.dispose()
    expect(freed).toEqual(['2', '1'])
  })
})
