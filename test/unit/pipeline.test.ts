import type { StreamEvent } from '../../lib'
import { FEW_STEPS, fakePipeline } from '../support/fake-pipeline'

async function eventsOf(stream: AsyncIterable<StreamEvent>): Promise<string[]> {
  const events: string[] = []
  for await (const event of stream) {
    events.push(event.type === 'step' ? `${event.stage} ${event.step}/${event.steps}` : event.type)
  }
  return events
}

describe('WuerstchenPipeline#generate()', () => {
  it('returns a picture with its seed, its time and how it was made', async () => {
    const { pipeline } = fakePipeline()
    const { images, seeds, timings, warnings } = await pipeline.generate('a red circle', FEW_STEPS)
    expect(images).toHaveLength(1)
    expect(images[0]).toMatchObject({ width: 64, height: 64, seed: 7 })
    expect(images[0]?.data).toHaveLength(64 * 64 * 3)
    expect(images[0]?.metadata).toEqual({
      prompt: 'a red circle',
      negativePrompt: '',
      seed: 7,
      image: 0,
      images: 1,
      width: 64,
      height: 64,
      priorTimesteps: [1, expect.closeTo(2 / 3), expect.closeTo(1 / 3), 0],
      priorGuidanceScale: 4,
      decoderTimesteps: [1, 0.5, 0],
      decoderGuidanceScale: 0,
      model: 'fake',
      dtype: 'float32',
    })
    expect(seeds).toEqual([7])
    expect(timings[0]?.totalMs).toBeGreaterThan(0)
    expect(warnings).toEqual([])
  })

  it('crops to the size that was asked for', async () => {
    const { pipeline } = fakePipeline()
    const { images } = await pipeline.generate('a red circle', { ...FEW_STEPS, width: 100, height: 70 })
    expect(images[0]).toMatchObject({ width: 100, height: 70 })
    expect(images[0]?.data).toHaveLength(100 * 70 * 3)
  })

  it('makes pictures of several prompts, several times each', async () => {
    const { pipeline } = fakePipeline()
    const prompts = ['a red circle', 'a blue star']
    const { images } = await pipeline.generate(prompts, { ...FEW_STEPS, numImagesPerPrompt: 2 })
    expect(images.map(({ metadata }) => `${metadata.prompt} ${metadata.image}/${metadata.images}`)).toEqual([
      'a red circle 0/4',
      'a red circle 1/4',
      'a blue star 2/4',
      'a blue star 3/4',
    ])
  })

  it('refuses what is wrong before anything is queued', async () => {
    const { pipeline, device } = fakePipeline()
    await expect(pipeline.generate(undefined as never, FEW_STEPS)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    })
    expect(device.calls).toEqual([])
  })

  it('hands on warnings', async () => {
    const { pipeline } = fakePipeline()
    const { warnings } = await pipeline.generate('a'.repeat(40), FEW_STEPS)
    expect(warnings).toEqual([expect.stringContaining('aaaaaaaaaa')])
  })

  it('reports progress', async () => {
    const { pipeline } = fakePipeline()
    const seen: string[] = []
    await pipeline.generate('a red circle', {
      ...FEW_STEPS,
      onProgress: ({ stage, step }) => void seen.push(`${stage} ${step}`),
    })
    expect(seen).toEqual(['prior 1', 'prior 2', 'prior 3', 'decoder 1', 'decoder 2', 'vqgan 1'])
  })
})

describe('WuerstchenPipeline#stream()', () => {
  it('yields queued, steps and images, in that order', async () => {
    const { pipeline } = fakePipeline()
    const events = await eventsOf(pipeline.stream('a red circle', FEW_STEPS))
    expect(events[0]).toBe('queued')
    expect(events.at(-1)).toBe('image')
    expect(events).toContain('prior 3/3')
    expect(events).toContain('decoder 2/2')
  })

  it('yields the same pictures as generate()', async () => {
    const { pipeline } = fakePipeline()
    const options = { ...FEW_STEPS, numImagesPerPrompt: 2 }
    const { images } = await pipeline.generate('a red circle', options)
    const streamed: Uint8Array[] = []
    for await (const event of pipeline.stream('a red circle', options)) {
      if (event.type === 'image') streamed[event.index] = event.image.data
    }
    expect(streamed).toEqual(images.map(({ data }) => data))
  })

  it('starts nothing before it is read', async () => {
    const { pipeline, device } = fakePipeline()
    pipeline.stream('a red circle', FEW_STEPS)
    await new Promise(setImmediate)
    expect(device.calls).toEqual([])
  })

  it('throws what generate() would reject with', async () => {
    const { pipeline } = fakePipeline()
    await expect(eventsOf(pipeline.stream(undefined as never, FEW_STEPS))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    })
    const many = { ...FEW_STEPS, numImagesPerPrompt: 8 }
    const running = pipeline.generate('a', FEW_STEPS)
    await expect(eventsOf(pipeline.stream('a', many))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_QUEUE_FULL',
    })
    await running
    const tooMany = { ...FEW_STEPS, numImagesPerPrompt: 9 }
    await expect(eventsOf(pipeline.stream('a', tooMany))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    })
  })

  it('stops working when the reader leaves', async () => {
    const { pipeline, device } = fakePipeline()
    for await (const event of pipeline.stream('a', { ...FEW_STEPS, priorNumInferenceSteps: 500 })) {
      if (event.type === 'step') break
    }
    const calls = device.calls.length
    await pipeline.dispose({ drain: true })
    expect(device.calls.length).toBeLessThanOrEqual(calls + 1)
    expect(device.live.size).toBe(0)
  })

  it('stops at the signal, with its reason, and leaves no listener on it', async () => {
    const { pipeline } = fakePipeline()
    const stop = new AbortController()
    const remove = jest.spyOn(stop.signal, 'removeEventListener')
    const reading = (async () => {
      for await (const event of pipeline.stream('a', { ...FEW_STEPS, signal: stop.signal })) {
        if (event.type === 'step') stop.abort(new Error('enough'))
      }
    })()
    await expect(reading).rejects.toThrow('enough')
    expect(remove).toHaveBeenCalled()
  })

  it('refuses a signal that is aborted already', async () => {
    const { pipeline, device } = fakePipeline()
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(eventsOf(pipeline.stream('a', { ...FEW_STEPS, signal }))).rejects.toThrow('enough')
    expect(device.calls).toEqual([])
  })

  it('does not let a slow reader slow the work, or fill memory', async () => {
    const { pipeline, device } = fakePipeline()
    const stream = pipeline.stream('a', { ...FEW_STEPS, priorNumInferenceSteps: 200 })
    await stream.next() // queued
    await stream.next() // a step
    while (pipeline.statistics.finished === 0) await new Promise(setImmediate)
    expect(device.named('decode')).toHaveLength(1)
    expect(await eventsOf(stream)).toEqual(['vqgan 1/1', 'image'])
  })

  it('calls onProgress as well', async () => {
    const { pipeline } = fakePipeline()
    const onProgress = () => {
      throw new Error('mine')
    }
    await expect(eventsOf(pipeline.stream('a', { ...FEW_STEPS, onProgress }))).rejects.toThrow('mine')
  })
})

describe('WuerstchenPipeline#dispose()', () => {
  it('rejects what is unfinished, twice without harm', async () => {
    const { pipeline, device } = fakePipeline()
    const running = pipeline.generate('a red circle', FEW_STEPS)
    const disposed = Promise.all([pipeline.dispose(), pipeline.dispose()])
    await expect(running).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
    await disposed
    expect(device.closed).toBe(true)
    expect(device.live.size).toBe(0)
  })

  it('ends a stream that is being read', async () => {
    const { pipeline } = fakePipeline()
    const reading = (async () => {
      for await (const event of pipeline.stream('a', FEW_STEPS))
        if (event.type === 'step') void pipeline.dispose()
    })()
    await expect(reading).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_DISPOSED' })
  })

  it('comes with the end of an `await using` block', async () => {
    const { pipeline, device } = fakePipeline()
    await pipeline[Symbol.asyncDispose]()
    expect(device.closed).toBe(true)
  })
})
