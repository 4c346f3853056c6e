import { EventQueue, type StreamEvent } from '../../lib/pipeline/stream'

function step(index: number, number: number): StreamEvent {
  return { type: 'step', stage: 'prior', index, step: number, steps: 9, etaMs: null }
}

async function readAll(queue: EventQueue): Promise<StreamEvent[]> {
  const events: StreamEvent[] = []
  for await (const event of queue.read()) events.push(event)
  return events
}

describe('EventQueue', () => {
  it('hands on every event to a reader who waits', async () => {
    const queue = new EventQueue()
    const reading = readAll(queue)
    for (const number of [1, 2, 3]) {
      queue.push(step(0, number))
      await new Promise((resolve) => setImmediate(resolve))
    }
    queue.close()
    expect(await reading).toEqual([step(0, 1), step(0, 2), step(0, 3)])
  })

  it('keeps only the latest step of each image for one who does not', async () => {
    const queue = new EventQueue()
    for (let number = 1; number <= 1000; number += 1)
      for (const image of [0, 1]) queue.push(step(image, number))
    queue.close()
    expect(await readAll(queue)).toEqual([step(0, 1000), step(1, 1000)])
  })

  it('drops no image', async () => {
    const queue = new EventQueue()
    const image = { type: 'image', index: 0 } as unknown as StreamEvent
    for (const event of [step(0, 1), image, step(1, 1), step(1, 2)]) queue.push(event)
    queue.close()
    expect(await readAll(queue)).toEqual([step(0, 1), image, step(1, 2)])
  })

  it('throws the reason after what came before it', async () => {
    const queue = new EventQueue()
    queue.push(step(0, 1))
    queue.close({ reason: new Error('mine') })
    const reader = queue.read()
    expect(await reader.next()).toEqual({ done: false, value: step(0, 1) })
    await expect(reader.next()).rejects.toThrow('mine')
  })

  it('throws a reason that is undefined', async () => {
    const queue = new EventQueue()
    queue.close({ reason: undefined })
    await expect(readAll(queue)).rejects.toBeUndefined()
  })
})
