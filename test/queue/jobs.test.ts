import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { JobEvent } from '../../lib/server'
import { allEventsOf, eventsOf, until } from '../support/http-server'
import { describeQueue, LONG, QueueRoom, type QueueServed, SHORT } from '../support/queue'

describeQueue('a queue of two servers and a worker', () => {
  let room: QueueRoom
  let [first, second] = [] as unknown as [QueueServed, QueueServed]

  beforeAll(async () => {
    room = await QueueRoom.open()
    first = await room.server()
    second = await room.server()
    await room.worker('--concurrency', '1')
    await Promise.all([first.server.backend.ready(), second.server.backend.ready()])
  })
  afterAll(() => room?.[Symbol.asyncDispose]())

  it('makes the pictures of the OpenAI API', async () => {
    const body = { prompt: 'a red circle', n: 2, wuerstchen: { seed: 7 } }
    const answer = await first.post('/v1/images/generations', body)
    expect(answer.status).toBe(200)
    const { data, wuerstchen } = await answer.json()
    expect(data).toHaveLength(2)
    expect(Buffer.from(data[0].b64_json, 'base64').subarray(1, 4).toString()).toBe('PNG')
    expect(wuerstchen.seeds).toEqual([7, 7])
    // Nobody fetches them again.
    await until(async () => (await first.get(`/v1/jobs/${wuerstchen.job}`)).status === 404)
  })

  it('gives each picture a seed of its own where none is given, the same in every attempt', async () => {
    const { job } = await first.submit({ prompt: 'a red circle', n: 3 })
    await first.follow(job.id)
    const { images } = await second.job(job.id)
    const seeds: number[] = images.map(({ seed }: { seed: number }) => seed)
    expect(new Set(seeds).size).toBe(3)
    expect(JSON.parse((await room.record(job.id)).seed ?? '')).toEqual(seeds)
  })

  it('knows a job of one server on the other, with its pictures', async () => {
    const { status, job } = await first.submit({ ...SHORT, n: 2, preview_every: 2 })
    expect(status).toBe(202)
    const events = await second.follow(job.id)
    expect(events[0]).toMatchObject({ event: 'queued', data: { position: 0 } })
    expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(['step', 'image']))
    expect(events.at(-1)).toMatchObject({ event: 'done', data: { job: { status: 'succeeded' } } })
    const done = await second.job(job.id)
    expect(done.images.map(({ index }: { index: number }) => index)).toEqual([0, 1])
    const ofSecond = await fetch(done.images[0].url)
    const ofFirst = await fetch(done.images[0].url.replace(second.url, first.url))
    expect(ofSecond.headers.get('content-type')).toBe('image/png')
    expect(Buffer.from(await ofSecond.arrayBuffer())).toEqual(Buffer.from(await ofFirst.arrayBuffer()))
    const listed = await (await second.get('/v1/jobs?limit=1')).json()
    expect(listed.data[0].id).toBe(job.id)
  })

  it('goes on after Last-Event-ID on another server', async () => {
    const { job } = await first.submit({ ...SHORT, n: 3 })
    const seen: string[] = []
    for await (const { id, event } of eventsOf(await first.get(`/v1/jobs/${job.id}/events`))) {
      seen.push(id ?? '')
      if (event === 'image') break // the connection breaks
    }
    const last = { 'last-event-id': seen.at(-1) ?? '' }
    const rest = await allEventsOf(await second.get(`/v1/jobs/${job.id}/events`, last))
    const pictures = rest.filter(({ event }) => event === 'image')
    expect(pictures).toHaveLength(2)
    expect(rest.at(-1)?.event).toBe('done')
    expect(rest.filter(({ id }) => seen.includes(id ?? ''))).toEqual([])
    const end = { 'last-event-id': rest.at(-1)?.id ?? '' }
    expect(await allEventsOf(await second.get(`/v1/jobs/${job.id}/events`, end))).toEqual([])
  })

  it('tells who only waits for the end nothing else, and the job with it', async () => {
    const { job } = await first.submit({ ...SHORT, n: 2, preview_every: 2 })
    for (let late = 0; late < 2; late++) {
      const events: JobEvent[] = []
      for await (const event of second.server.backend.follow(job.id, { last: true })) events.push(event)
      expect(events).toMatchObject([{ type: 'done', job: { id: job.id, status: 'succeeded' } }])
      expect(events.flatMap((event) => (event.type === 'done' ? event.job.pictures : []))).toHaveLength(2)
    }
  })

  it('makes a job once for one idempotency key, whichever server is asked', async () => {
    const key = { 'idempotency-key': 'order-17' }
    const both = await Promise.all([first.submit(SHORT, key), second.submit(SHORT, key)])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 202])
    expect(new Set(both.map(({ job }) => job.id)).size).toBe(1)
    const other = await second.submit({ prompt: 'another one' }, key)
    expect(other.status).toBe(400)
    expect(other.job.error).toMatchObject({ param: 'Idempotency-Key' })
  })

  it("does not try again what is the caller's fault", async () => {
    const { job } = await first.submit({ prompt: 'a red circle', prior_timesteps: [1, 0.5] })
    const events = await first.follow(job.id)
    const error = { code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT', param: 'prior_timesteps' }
    expect(events.at(-1)).toMatchObject({ event: 'error', data: { error } })
    expect(await room.record(job.id)).toMatchObject({ attempt: '1', status: 'failed' })
  })

  it('stops the worker in the middle of a job that is canceled on another server', async () => {
    const { job } = await first.submit(LONG)
    await first.untilStatus(job.id, 'running')
    const next = await first.submit(SHORT)
    const canceled = await (await second.post(`/v1/jobs/${job.id}/cancel`)).json()
    expect(canceled).toMatchObject({ status: 'canceled', error: { code: 'CANCELED' } })
    // It takes one job at once: the next one's begin is the end of this.
    await first.follow(next.job.id)
    const record = await room.record(next.job.id)
    const { finishedAt } = await room.record(job.id)
    expect(Number(record.startedAt) - Number(finishedAt)).toBeLessThan(5000) // of a busy machine; it would paint for longer
  })

  it('ends a running job at its deadline', async () => {
    const { job } = await first.submit(LONG, { 'wuerstchen-timeout-ms': '700' })
    const events = await second.follow(job.id)
    expect(events.at(-1)).toMatchObject({
      event: 'error',
      data: { job: { status: 'failed' }, error: { code: 'ERR_WUERSTCHEN_TIMEOUT' } },
    })
  })

  it('lets the higher priority go first, and ends at its deadline what never began', async () => {
    const busy = await first.submit(LONG)
    await first.untilStatus(busy.job.id, 'running')
    const low = await first.submit({ ...SHORT, priority: -5 })
    const late = await first.submit({ ...SHORT, priority: -6 }, { 'wuerstchen-timeout-ms': '300' })
    const high = await second.submit({ ...SHORT, priority: 0 })
    expect([high.job.position, late.job.position]).toEqual([0, 1])
    expect((await first.job(low.job.id)).position).toBe(1)
    const events = await first.follow(late.job.id)
    expect(events.at(-1)?.data.error.code).toBe('ERR_WUERSTCHEN_TIMEOUT')
    await first.post(`/v1/jobs/${busy.job.id}/cancel`)
    await Promise.all([first.follow(low.job.id), first.follow(high.job.id)])
    const began = async (id: string) => Number((await room.record(id)).startedAt)
    expect(await began(high.job.id)).toBeLessThanOrEqual(await began(low.job.id))
  })

  it('refuses a size that no worker makes', async () => {
    const { status, job } = await first.submit({ ...SHORT, width: 4096, height: 1024 })
    expect(status).toBe(202)
    await first.post(`/v1/jobs/${job.id}/cancel`)
    const strict = await room.server({ maxPixels: 16_777_216 })
    await strict.server.backend.ready()
    const refused = await strict.submit({ ...SHORT, width: 4096, height: 2048 })
    expect(refused.status).toBe(400)
    expect(refused.job.error).toMatchObject({ code: 'ERR_WUERSTCHEN_MEMORY_LIMIT' })
  })

  it('refuses an unknown model', async () => {
    const { status, job } = await first.submit({ ...SHORT, model: 'other' })
    expect([status, job.error.code]).toEqual([404, 'model_not_found'])
    expect((await first.submit({ ...SHORT, model: 'shapes' })).status).toBe(202)
  })

  it('forgets a job with its pictures', async () => {
    const { job } = await first.submit()
    await first.follow(job.id)
    const folder = join(room.folder, 'store')
    expect(readdirSync(folder)).toContain(job.id)
    expect((await fetch(`${second.url}/v1/jobs/${job.id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await first.get(`/v1/jobs/${job.id}`)).status).toBe(404)
    expect(readdirSync(folder)).not.toContain(job.id)
    expect(await room.client.keys(`*${job.id}*`)).toEqual([])
  })

  it('counts jobs and workers for Prometheus', async () => {
    await until(async () => (await first.server.backend.statistics()).runningJobs === 0)
    const text = await (await first.get('/metrics')).text()
    expect(text).toContain('wuerstchen_workers{model="shapes"} 1')
    expect(text).toMatch(/wuerstchen_queue_jobs\{queue="shapes-[0-9a-f]{8}-4194304",state="waiting"\} 0/)
    expect(text).toMatch(/wuerstchen_jobs_total\{status="succeeded"\} [1-9]/)
  })
})

describeQueue('a queue with limits', () => {
  it('refuses more than it holds, over all servers', async () => {
    await using room = await QueueRoom.open()
    const [first, second] = [await room.server({ maxQueue: 8 }), await room.server({ maxQueue: 8 })]
    expect((await first.submit()).status).toBe(503) // no worker has been there
    const worker = await room.worker()
    await Promise.all([first.server.backend.ready(), second.server.backend.ready()])
    expect(await worker.stop()).toBe(0)
    // The worker may come back: until then jobs wait.
    expect((await first.submit({ ...SHORT, n: 8 })).status).toBe(202)
    const { status, job, headers } = await second.submit()
    expect([status, job.error.code]).toEqual([429, 'ERR_WUERSTCHEN_QUEUE_FULL'])
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    const never = await second.submit({ ...SHORT, n: 9 })
    expect([never.status, never.headers.get('retry-after')]).toEqual([400, null])
    expect(never.job.error).toMatchObject({
      message: 'Expected n to be at most 8 (maxQueue) but received 9',
      param: 'n',
    })
  })

  it('keeps results until their time to live ends', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server({ resultTtlSeconds: 1 })
    await room.worker()
    await served.server.backend.ready()
    const { job } = await served.submit()
    await served.follow(job.id)
    await until(async () => (await served.get(`/v1/jobs/${job.id}`)).status === 404)
    await until(() => !readdirSync(join(room.folder, 'store')).includes(job.id))
    expect((await served.server.backend.statistics()).keptJobs).toBe(0)
  })
})
