import { allEventsOf, serveFake, submitQuick, until } from '../support/http-server'

describe('results of jobs', () => {
  it('live until their time to live ends', async () => {
    await using served = await serveFake({ resultTtlSeconds: 1 })
    const { job } = await submitQuick(served)
    await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    const done = await (await served.get(`/v1/jobs/${job.id}`)).json()
    expect(done.expires_at - done.finished_at).toBe(1)
    expect((await fetch(done.images[0].url)).status).toBe(200)
    await until(async () => (await served.get(`/v1/jobs/${job.id}`)).status === 404)
    expect((await served.server.backend.statistics()).keptJobs).toBe(0)
  })

  it('are fetched without a key by their signed address only', async () => {
    await using served = await serveFake()
    const { job } = await submitQuick(served, { output_format: 'jpeg' })
    await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    const { images } = await (await served.get(`/v1/jobs/${job.id}`)).json()
    const picture = await fetch(images[0].url)
    expect(picture.headers.get('content-type')).toBe('image/jpeg')
    expect((await picture.arrayBuffer()).byteLength).toBe(images[0].bytes)
    const forged = images[0].url.replace(/signature=./, 'signature=_')
    expect((await fetch(forged)).status).toBe(403)
  })
})
