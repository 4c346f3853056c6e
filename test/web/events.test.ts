import { ApiError, type Client } from '../../web/api/client'
import { follow } from '../../web/api/events'

const QUEUED = 'id: 1\nevent: queued\ndata: {"job":"j","position":0,"warnings":[]}\n\n'
const STEP = 'id: 2\nevent: step\ndata: {"job":"j","stage":"prior","step":1}\n\n'
const DONE = 'id: 3\nevent: done\ndata: {"job":null}\n\n'

/** Answers one after the other: texts are event streams that then break off. Bytes come one by one. */
function clientOf(answers: readonly (string | ApiError)[]) {
  const asked: (string | undefined)[] = []
  const events: Client['events'] = async (_id, after) => {
    const answer = answers[asked.length] ?? ''
    asked.push(after)
    if (answer instanceof ApiError) throw answer
    const bytes = new TextEncoder().encode(answer)
    return new Response(
      new ReadableStream({
        start(stream) {
          for (const byte of bytes) stream.enqueue(Uint8Array.of(byte))
          stream.close()
        },
      }),
    )
  }
  return { client: { events } as Client, asked }
}

async function typesOf(client: Client, signal = new AbortController().signal): Promise<string[]> {
  const types: string[] = []
  for await (const { type } of follow(client, 'j', signal)) types.push(type)
  return types
}

describe('follow()', () => {
  it('reads events however the bytes are cut, to the last one', async () => {
    const { client, asked } = clientOf([`retry: 2000\n\n${QUEUED}: still here\n\n${STEP}${DONE}${STEP}`])
    expect(await typesOf(client)).toEqual(['queued', 'step', 'done'])
    expect(asked).toEqual([undefined])
  })

  it('goes on after the last event seen when the stream breaks or the server is away', async () => {
    const { client, asked } = clientOf([QUEUED + STEP.slice(0, -5), new ApiError('away', 0), STEP + DONE])
    expect(await typesOf(client)).toEqual(['queued', 'step', 'done'])
    expect(asked).toEqual([undefined, '1', '1'])
  })

  it('gives up where the job is unknown or the key refused', async () => {
    for (const status of [401, 403, 404]) {
      const { client } = clientOf([new ApiError('no', status)])
      await expect(typesOf(client)).rejects.toMatchObject({ status })
    }
  })

  it('ends at once when the page no longer wants it', async () => {
    const page = new AbortController()
    const { client, asked } = clientOf(Array(9).fill(new ApiError('busy', 503)))
    const leaving: Client['events'] = (...args) => {
      // After the refusal is read: in the pause before the next try, which no clock ends here.
      setImmediate(() => page.abort())
      return client.events(...args)
    }
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] })
    expect(await typesOf({ events: leaving } as Client, page.signal)).toEqual([])
    jest.useRealTimers()
    expect(asked).toEqual([undefined])
  })
})
