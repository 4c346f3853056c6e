import { randomUUID } from 'node:crypto'
import type { Jobs } from '../../lib/queue/jobs'
import type { JobRecord } from '../../lib/queue/record'
import type { JobRequest, PictureInfo } from '../../lib/server'
import { describeQueue, type QueueRoom } from '../support/queue'
import { JobsRoom } from '../support/queue-jobs'

const PICTURE: PictureInfo = {
  index: 0,
  width: 256,
  height: 256,
  mediaType: 'image/png',
  bytes: 10,
  seed: 7,
  totalMs: 1,
  timings: { queuedMs: 0, priorMs: 0, decoderMs: 0, vqganMs: 0 },
}
const at = (place: string, index = 0) => ({ ...PICTURE, index, place })
const STEP = ['step:0', { type: 'step', index: 0 }] as const

describeQueue('the fence of attempts', () => {
  let own: JobsRoom
  let room: QueueRoom
  let jobs: Jobs

  beforeAll(async () => {
    own = await JobsRoom.open()
    ;({ room, jobs } = own)
  })
  afterAll(() => own?.[Symbol.asyncDispose]())

  const submit = (request?: Partial<JobRequest>) => own.submit(request)
  const taken = (id: string, token: string) => own.begun(id, token)

  it('lets a worker that was thought lost change nothing', async () => {
    const id = await submit()
    const old = await taken(id, 'first')
    const now = await taken(id, 'second')
    expect([old.number, now.number]).toEqual(['1', '2'])
    expect(now.seed).toEqual(old.seed)
    expect(await jobs.tell(old, [STEP])).toBe(false)
    expect(await jobs.show(old, at('old'))).toBe('hidden')
    expect(await jobs.finish(id, old, { status: 'succeeded' })).toBe(false)
    await jobs.release(old, true)
    expect((await jobs.find(id))?.snapshot).toMatchObject({ status: 'running', pictures: [] })
    expect(await jobs.show(now, at('now'))).toBe('last')
    expect(await jobs.finish(id, now, { status: 'succeeded' })).toBe(false)
    const record = await jobs.find(id)
    expect(record?.places).toEqual(new Map([[0, 'now']]))
    expect(record?.snapshot).toMatchObject({ status: 'succeeded', pictures: [PICTURE] })
  })

  it('shows a picture once, whoever makes it again', async () => {
    const id = await submit({ count: 2 })
    await jobs.show(await taken(id, 'first'), at('first'))
    const again = await taken(id, 'second')
    expect(await jobs.show(again, at('second'))).toBe('hidden')
    expect((await jobs.find(id))?.places).toEqual(new Map([[0, 'first']]))
    const events = await room.client.xrange(`{wuerstchen}:events:${id}`, '-', '+')
    expect(events.filter(([, [, text]]) => text?.includes('"image"'))).toHaveLength(1)
  })

  it('takes a command that is sent twice, after a cut connection, for the same one', async () => {
    const id = await submit()
    const [one, two] = [await taken(id, 'same'), await taken(id, 'same')]
    expect(two).toEqual(one)
    expect(await jobs.show(one, at('place'))).toBe('last')
    expect(await jobs.show(one, at('place'))).toBe('last')
  })

  it('takes a picture that is sent twice for the same one, though another worker has its job since', async () => {
    const id = await submit({ count: 2 })
    const one = await taken(id, 'first')
    expect(await jobs.show(one, at('place'))).toBe('shown')
    await taken(id, 'second')
    // Hidden, it would be removed from the store.
    expect(await jobs.show(one, at('place'))).toBe('shown')
  })

  it('ends a job with its last picture, whichever attempts made them', async () => {
    const id = await submit({ count: 3 })
    const one = await taken(id, 'first')
    expect(await jobs.show(one, at('1-2', 2))).toBe('shown')
    const two = await taken(id, 'second')
    expect(await jobs.show(two, at('2-0'))).toBe('shown')
    expect(await jobs.show(two, at('2-2', 2))).toBe('hidden')
    expect((await jobs.find(id))?.snapshot.status).toBe('running')
    expect(await jobs.show(two, at('2-1', 1))).toBe('last')
    const { snapshot } = (await jobs.find(id)) as JobRecord
    expect(snapshot).toMatchObject({ status: 'succeeded', error: null })
    expect(snapshot.pictures.map(({ place }) => place)).toEqual(['2-0', '2-1', '1-2'])
    expect((await jobs.look(id, '0-1'))?.events.map(([, body]) => JSON.parse(body).type)).toEqual([
      'image',
      'image',
      'image',
      'done',
    ])
  })

  it('keeps the first end', async () => {
    const id = await submit()
    const attempt = await taken(id, 'first')
    const error = { code: 'CANCELED', message: 'x', retryable: false, param: null }
    expect(await jobs.finish(id, null, { status: 'canceled', error })).toBe(true)
    expect(await jobs.finish(id, attempt, { status: 'succeeded' })).toBe(false)
    expect(await jobs.begin(id, 'second', 'worker', 3)).toBeNull()
    expect((await jobs.find(id))?.snapshot).toMatchObject({ status: 'canceled', error })
  })

  it('sets aside what took so many workers with it', async () => {
    const id = await submit()
    for (const token of ['1', '2', '3']) await taken(id, token)
    expect(await jobs.begin(id, '4', 'worker', 3)).toBe('POISON')
    expect((await jobs.find(id))?.snapshot).toMatchObject({ status: 'failed', error: { code: 'POISON' } })
  })

  it('does not set aside what slow workers had, who are still there', async () => {
    const id = await submit()
    let old = await taken(id, 'token 0')
    for (let index = 1; index < 6; index++) {
      const now = await taken(id, `token ${index}`)
      for (let twice = 0; twice < 2; twice++) expect(await jobs.tell(old, [STEP])).toBe(false)
      old = now
    }
    expect(await room.record(id)).toMatchObject({ attempt: '6', lost: '0' })
  })

  it('counts what it holds to nothing in the end', async () => {
    const [one, two] = [await submit({ idempotencyKey: randomUUID() }), await submit({ count: 3 })]
    const error = { code: 'X', message: 'x', retryable: false, param: null }
    const attempt = await taken(one, 'first')
    await jobs.release(attempt, true)
    for (const id of [one, two]) {
      await jobs.finish(id, null, { status: 'failed', error })
      await jobs.finish(id, null, { status: 'failed', error })
    }
    for (const { id } of (await jobs.list('local', 100, undefined)).jobs) {
      await jobs.finish(id, null, { status: 'failed', error })
      expect([await jobs.forget(id), await jobs.forget(id)]).toEqual([true, false])
    }
    const { succeeded: _, failed: __, canceled: ___, ...held } = await jobs.counts()
    expect(Object.values(held).every((count) => count === 0)).toBe(true)
    // What is left of a hundred jobs: counters.
    expect(await room.client.keys('*')).toEqual(['{wuerstchen}:counts'])
  })

  it('goes through a list by pages', async () => {
    const ids = [
      await submit({ owner: 'web' }),
      await submit({ owner: 'web' }),
      await submit({ owner: 'web' }),
    ]
    const first = await jobs.list('web', 2, undefined)
    expect(first.jobs.map(({ id }) => id)).toEqual([ids[2], ids[1]])
    const second = await jobs.list('web', 2, first.next ?? undefined)
    expect([second.jobs.map(({ id }) => id), second.next]).toEqual([[ids[0]], null])
  })
})
