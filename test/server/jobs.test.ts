import { allEventsOf, eventsOf, gate, serveFake, submitQuick as submit, until } from '../support/http-server'

describe('POST /v1/jobs', () => {
  it('accepts a job, which is then found and listed', async () => {
    await using served = await serveFake()
    const { response, job } = await submit(served, { n: 2 })
    expect(response.status).toBe(202)
    expect(response.headers.get('location')).toBe(`/v1/jobs/${job.id}`)
    expect(job).toMatchObject({ object: 'job', status: 'queued', images: [], error: null })
    expect(job.request).toMatchObject({ prompt: 'a red circle', n: 2, seed: 7, prior_num_inference_steps: 3 })
    await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    const done = await (await served.get(`/v1/jobs/${job.id}`)).json()
    expect(done).toMatchObject({ id: job.id, status: 'succeeded', position: null })
    expect(done.images.map(({ index }: { index: number }) => index)).toEqual([0, 1])
    const { data } = await (await served.get('/v1/jobs')).json()
    expect(data).toEqual([done])
  })

  it('tells who only waits for the end nothing else, and the job with it', async () => {
    await using served = await serveFake()
    const { job } = await submit(served, { n: 2 })
    for (let late = 0; late < 2; late++) {
      const events = []
      for await (const event of served.server.backend.follow(job.id, { last: true })) events.push(event)
      expect(events).toMatchObject([{ type: 'done', job: { id: job.id, status: 'succeeded' } }])
    }
  })

  it('makes the same pictures as the pipeline itself', async () => {
    await using served = await serveFake()
    const { job } = await submit(served)
    await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    const picture = await served.get(`/v1/jobs/${job.id}/images/0`)
    expect(picture.headers.get('content-type')).toBe('image/png')
    const again = await submit(served)
    await allEventsOf(await served.get(`/v1/jobs/${again.job.id}/events`))
    const second = await served.get(`/v1/jobs/${again.job.id}/images/0`)
    expect(Buffer.from(await picture.arrayBuffer())).toEqual(Buffer.from(await second.arrayBuffer()))
  })

  it('gives each picture a seed of its own where none is given, and says so', async () => {
    await using served = await serveFake()
    const { job } = await submit(served, { n: 3, seed: undefined })
    const events = await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    const seeds = events.filter(({ event }) => event === 'image').map(({ data }) => data.image.seed)
    expect(new Set(seeds).size).toBe(3)
    const { images } = await (await served.get(`/v1/jobs/${job.id}`)).json()
    expect(images.map(({ seed }: { seed: number }) => seed).sort()).toEqual(seeds.sort())
  })

  it('makes a job once for one idempotency key, even when asked twice at once', async () => {
    await using served = await serveFake()
    const key = { 'idempotency-key': 'order-17' }
    const [first, second] = await Promise.all([submit(served, {}, key), submit(served, {}, key)])
    expect([first.response.status, second.response.status].sort()).toEqual([200, 202])
    expect(first.job.id).toBe(second.job.id)
    const later = await submit(served, {}, key)
    expect(later.job.id).toBe(first.job.id)
    const other = await submit(served, { prompt: 'another one' }, key)
    expect(other.response.status).toBe(400)
    expect(other.job.error).toMatchObject({ param: 'Idempotency-Key' })
  })

  it('refuses what the pipeline refuses, by the name that the client used', async () => {
    await using served = await serveFake()
    const { response, job } = await submit(served, {
      prior_timesteps: [1, 0.5],
      prior_num_inference_steps: undefined,
    })
    expect(response.status).toBe(400)
    expect(job.error).toMatchObject({
      type: 'invalid_request_error',
      param: 'prior_timesteps',
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    })
    expect((await (await served.get('/v1/jobs')).json()).data).toEqual([])
  })

  it('refuses a prompt that its syntax cannot read, with the column, and sends on how prompts are read', async () => {
    await using served = await serveFake()
    const compel = { prompt_syntax: 'compel', long_prompts: 'chunk' }
    for (const [fields, param, column] of [
      [{ prompt: 'a (cat' }, 'prompt', 3],
      [{ negative_prompt: 'dogs (cat' }, 'negative_prompt', 6],
    ] as const) {
      const { response, job } = await submit(served, { ...compel, ...fields })
      expect(response.status).toBe(400)
      expect(job.error).toMatchObject({
        type: 'invalid_request_error',
        param,
        code: 'ERR_WUERSTCHEN_PROMPT_SYNTAX',
        message: expect.stringMatching(new RegExp(`^${param}: Expected .* at column ${column}$`)),
      })
    }
    const { job } = await submit(served, { prompt: '(a cat)1.2', ...compel })
    expect(job.request).toMatchObject(compel)
    const events = await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    expect(events.at(-1)).toMatchObject({ event: 'done' })
    const wrong = await submit(served, { prompt_syntax: 'invoke' })
    expect([wrong.response.status, wrong.job.error.param]).toEqual([400, 'prompt_syntax'])
  })

  it('refuses more than the queue holds, and says when to come back', async () => {
    await using served = await serveFake()
    const hold = gate(served.device)
    const taken = await submit(served, { n: 8 })
    const { response, job } = await submit(served)
    expect(taken.response.status).toBe(202)
    expect(response.status).toBe(429)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(job.error).toMatchObject({ type: 'rate_limit_error', code: 'ERR_WUERSTCHEN_QUEUE_FULL' })
    hold.open()
  })

  it('refuses what the queue never holds as a mistake of the client, on every way in', async () => {
    await using served = await serveFake()
    const { response, job } = await submit(served, { n: 9 })
    const picture = await served.post('/v1/images/generations', { prompt: 'a circle', n: 9 })
    for (const [{ status, headers }, { error }] of [
      [response, job],
      [picture, await picture.json()],
    ] as const) {
      expect([status, headers.get('retry-after')]).toEqual([400, null])
      expect(error).toEqual({
        message: 'Expected n to be at most 8 (maxQueue) but received 9',
        type: 'invalid_request_error',
        param: 'n',
        code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      })
    }
  })

  it('says how many pictures a request may have, where the queue holds fewer than maxImages', async () => {
    await using served = await serveFake({ maxQueue: 3 })
    expect((await (await served.get('/v1/info')).json()).limits.max_images).toBe(3)
  })

  it('ends a job at the deadline of its client', async () => {
    await using served = await serveFake()
    const hold = gate(served.device)
    const { job } = await submit(served, {}, { 'wuerstchen-timeout-ms': '50' })
    const events = await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    expect(events.at(-1)).toMatchObject({
      event: 'error',
      data: { job: { status: 'failed' }, error: { code: 'ERR_WUERSTCHEN_TIMEOUT' } },
    })
    hold.open()
  })

  it('lets the higher priority go first and tells positions', async () => {
    await using served = await serveFake()
    const hold = gate(served.device)
    await submit(served)
    await hold.reached
    const low = await submit(served, { priority: -5 })
    const high = await submit(served, { priority: 5 })
    // The first one has not told a step: it is in the line, too.
    expect([low.job.position, high.job.position]).toEqual([1, 0])
    // Its client hears that it went back by one, and the gate opens no sooner.
    const names: string[] = []
    for await (const { event, data } of eventsOf(await served.get(`/v1/jobs/${low.job.id}/events`))) {
      names.push(event)
      if (event === 'queued' && data.position === 2) hold.open()
    }
    expect(names.at(-1)).toBe('done')
    const began = async (id: string) => (await served.server.backend.find(id))?.startedAt ?? Number.NaN
    expect(await began(high.job.id)).toBeLessThanOrEqual(await began(low.job.id))
  })
})

describe('GET /v1/jobs/:id/events', () => {
  it('tells the whole story with rising ids', async () => {
    await using served = await serveFake()
    const { job } = await submit(served, { preview_every: 1 })
    const events = await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    const names = events.map(({ event }) => event)
    expect(names[0]).toBe('queued')
    expect(names.at(-1)).toBe('done')
    expect(names).toEqual(expect.arrayContaining(['step', 'image']))
    const ids = events.map(({ id }) => Number(id))
    expect(ids).toEqual([...ids].sort((a, b) => a - b))
    expect(new Set(ids).size).toBe(ids.length)
    expect(events.at(-1)?.data.job).toMatchObject({ id: job.id, status: 'succeeded' })
  })

  it('goes on after Last-Event-ID', async () => {
    await using served = await serveFake()
    const { job } = await submit(served)
    const all = await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    const middle = all.at(-3)?.id ?? ''
    const rest = await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`, { 'last-event-id': middle }))
    expect(rest).toEqual(all.slice(-2))
    const end = all.at(-1)?.id ?? ''
    expect(
      await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`, { 'last-event-id': end })),
    ).toEqual([])
  })

  it('may be left: the job goes on', async () => {
    await using served = await serveFake()
    const hold = gate(served.device)
    const { job } = await submit(served)
    const leaving = new AbortController()
    const response = await fetch(`${served.url}/v1/jobs/${job.id}/events`, { signal: leaving.signal })
    await eventsOf(response).next()
    leaving.abort()
    hold.open()
    const events = await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    expect(events.at(-1)?.event).toBe('done')
  })
})

describe('POST /v1/jobs/:id/cancel', () => {
  it('ends the job within a step and frees its place', async () => {
    await using served = await serveFake()
    const hold = gate(served.device)
    const { job } = await submit(served, { prior_num_inference_steps: 50 })
    await hold.reached
    // As clients do that say JSON of everything, and send nothing.
    const json = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const canceled = await (await fetch(`${served.url}/v1/jobs/${job.id}/cancel`, json)).json()
    expect(canceled).toMatchObject({ status: 'canceled', error: { code: 'CANCELED' } })
    hold.open()
    await until(async () => (await served.server.backend.statistics()).runningJobs === 0)
    const steps = served.device.named('advance').length
    expect(steps).toBeLessThanOrEqual(2)
    const events = await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    expect(events.at(-1)).toMatchObject({ event: 'error', data: { error: { code: 'CANCELED' } } })
  })

  it('leaves a finished job as it is', async () => {
    await using served = await serveFake()
    const { job } = await submit(served)
    await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    expect(await (await served.post(`/v1/jobs/${job.id}/cancel`)).json()).toMatchObject({
      status: 'succeeded',
    })
  })
})

describe('DELETE /v1/jobs/:id', () => {
  it('forgets the job and its pictures', async () => {
    await using served = await serveFake()
    const { job } = await submit(served)
    await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    const done = await (await served.get(`/v1/jobs/${job.id}`)).json()
    const response = await fetch(`${served.url}/v1/jobs/${job.id}`, { method: 'DELETE' })
    expect(response.status).toBe(204)
    expect((await served.get(`/v1/jobs/${job.id}`)).status).toBe(404)
    expect((await fetch(done.images[0].url)).status).toBe(404)
    expect((await served.server.backend.statistics()).keptBytes).toBe(0)
  })
})

describe('GET /v1/jobs', () => {
  it('goes through all jobs, newest first, page by page', async () => {
    await using served = await serveFake()
    const ids: string[] = []
    for (let index = 0; index < 5; index++) {
      const { job } = await submit(served)
      await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
      ids.push(job.id)
    }
    const seen: string[] = []
    for (let path: string | null = '/v1/jobs?limit=2'; path !== null; ) {
      const page = await (await served.get(path)).json()
      seen.push(...page.data.map(({ id }: { id: string }) => id))
      expect(page.has_more).toBe(page.next !== null)
      path = page.next === null ? null : `/v1/jobs?limit=2&after=${page.next}`
    }
    expect(seen).toEqual(ids.reverse())
  })
})
