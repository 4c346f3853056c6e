import { joinSignals, onAbort } from '../../lib/checks/signals'
import { Engine } from '../../lib/engine/engine'
import { Fleet } from '../../lib/engine/fleet'
import { LocalBackend } from '../../lib/server/local'
import { fakeModel, fakeRequest } from '../support/fake-model'
import { FEW_STEPS, fakePipeline } from '../support/fake-pipeline'
import { SharedSignal } from '../support/shared-signal'

/** More than Node lets listen to one signal without a warning. */
const MANY = 30
const many = <Value>(make: (index: number) => Value) =>
  Array.from({ length: MANY }, (_, index) => make(index))

function engine(): Engine {
  return new Engine(fakeModel(), { maxRows: 8, maxQueue: 2 * MANY })
}

describe('onAbort()', () => {
  it('tells all in their order, once, through one listener', async () => {
    await using shared = new SharedSignal()
    const told: number[] = []
    many((index) => onAbort(shared.signal, () => told.push(index)))
    expect(shared.listeners).toBe(1)
    shared.abort('enough')
    shared.abort('again')
    expect(told).toEqual(many((index) => index))
    expect(shared.listeners).toBe(0)
    expect(await shared.warned()).toEqual([])
  })

  it('leaves no listener once nobody wants to be told, and tells none of those', async () => {
    await using shared = new SharedSignal()
    const told: number[] = []
    const [first, ...others] = many((index) => onAbort(shared.signal, () => told.push(index)))
    for (const release of others) release()
    expect(shared.listeners).toBe(1)
    first?.()
    first?.()
    expect(shared.listeners).toBe(0)
    onAbort(shared.signal, () => told.push(MANY))
    shared.abort('enough')
    expect(told).toEqual([MANY])
  })

  it('does not tell whoever another one released meanwhile', async () => {
    await using shared = new SharedSignal()
    const told: string[] = []
    onAbort(shared.signal, () => {
      told.push('first')
      release()
    })
    const release = onAbort(shared.signal, () => told.push('second'))
    shared.abort('enough')
    expect(told).toEqual(['first'])
  })
})

describe('A signal that many requests share', () => {
  it('is joined with others through one listener', async () => {
    await using shared = new SharedSignal()
    const joined = many(() => joinSignals(shared.signal))
    expect(shared.listeners).toBe(1)
    for (const { release } of joined) release()
    expect(shared.listeners).toBe(0)
    expect(await shared.warned()).toEqual([])
  })

  it.each([
    ['an engine', () => engine()],
    ['a fleet', () => new Fleet([engine(), ...many(engine)])],
  ] as const)('has no listener of %s when they are finished, and no warning comes', async (_of, make) => {
    await using shared = new SharedSignal()
    const executor = make()
    const request = (seed: number) => ({ ...fakeRequest({ seed }), signal: shared.signal })
    const [{ prior, decoder }] = fakeRequest().prompts as never as [{ prior: never; decoder: never }]
    const running = many((seed) => executor.submit(request(seed)))
    const encoding = many(() => executor.embed({ prior, decoder, signal: shared.signal }))
    expect(shared.listeners).toBe(1)
    await Promise.all([...running, ...encoding])
    expect(shared.listeners).toBe(0)
    expect(await shared.warned()).toEqual([])
  })

  it('ends them all', async () => {
    await using shared = new SharedSignal()
    const executor = engine()
    const running = many((seed) => executor.submit({ ...fakeRequest({ seed }), signal: shared.signal }))
    shared.abort('enough')
    for (const end of await Promise.allSettled(running)) expect(end).toMatchObject({ reason: 'enough' })
    expect(executor.size).toBe(0)
  })

  it('has one part for each device of a fleet, and no warning comes', async () => {
    await using shared = new SharedSignal()
    const fleet = new Fleet([engine(), ...many(engine)])
    await fleet.submit({ ...fakeRequest({ images: MANY }), signal: shared.signal })
    expect(shared.listeners).toBe(0)
    expect(await shared.warned()).toEqual([])
  })

  it('is let go of by streams, read or left', async () => {
    await using shared = new SharedSignal()
    const streams = many(() => fakePipeline().pipeline.stream('a', { ...FEW_STEPS, signal: shared.signal }))
    await Promise.all(streams.map((stream) => stream.next()))
    expect(shared.listeners).toBe(1)
    const read = async (stream: (typeof streams)[number], index: number) => {
      for await (const event of stream) if (index % 2 === 0 && event.type === 'step') break
    }
    await Promise.all(streams.map(read))
    expect(shared.listeners).toBe(0)
    expect(await shared.warned()).toEqual([])
  })

  it('is let go of by those who follow a job of a server', async () => {
    await using shared = new SharedSignal()
    const { pipeline } = fakePipeline()
    const backend = new LocalBackend(pipeline)
    const { job } = await backend.submit({
      prompt: 'a',
      model: null,
      count: 1,
      options: FEW_STEPS,
      format: 'png',
      quality: null,
      priority: 0,
      deadline: null,
      owner: 'me',
      idempotencyKey: null,
      requestId: '1',
      traceparent: null,
    })
    const followed = many(async () => {
      for await (const event of backend.follow(job.id, { signal: shared.signal }))
        if (event.type === 'done') break
    })
    await Promise.all(followed)
    expect(shared.listeners).toBe(0)
    expect(await shared.warned()).toEqual([])
    await backend.dispose()
  })
})
