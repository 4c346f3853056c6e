import { startRedis } from '../../bench/support/redis'
import type { WuerstchenProcess } from '../../bench/support/wuerstchen-process'
import { allEventsOf, until } from '../support/http-server'
import { describeQueue, LONG, QueueRoom, type QueueServed, SHORT } from '../support/queue'

/** A few seconds: long enough to be killed in. */
const MEDIUM = { ...SHORT, n: 2, prior_num_inference_steps: 60, num_inference_steps: 40 }

async function opened(
  ...flags: string[]
): Promise<{ room: QueueRoom; served: QueueServed; worker: WuerstchenProcess }> {
  const room = await QueueRoom.open()
  const served = await room.server()
  const worker = await room.worker(...flags)
  await served.server.backend.ready()
  return { room, served, worker }
}

describeQueue('a worker that is killed', () => {
  it('loses its job to another one, and the client sees each picture once', async () => {
    const { room, served, worker } = await opened()
    await using _ = room
    const { job } = await served.submit(MEDIUM)
    const events = served.follow(job.id)
    await served.untilStatus(job.id, 'running')
    await worker.stop('SIGKILL')
    await room.worker()
    const seen = await events
    expect(seen.at(-1)).toMatchObject({ event: 'done', data: { job: { status: 'succeeded' } } })
    const pictures = seen.filter(({ event }) => event === 'image').map(({ data }) => data.image.index)
    expect(pictures.sort()).toEqual([0, 1])
    expect(Number((await room.record(job.id)).attempt)).toBeGreaterThanOrEqual(2)
  })

  it('is not tried for ever: the job is set aside', async () => {
    const { room, served, worker } = await opened('--max-workers-lost', '1')
    await using _ = room
    const { job } = await served.submit(LONG)
    await served.untilStatus(job.id, 'running')
    await worker.stop('SIGKILL')
    await room.worker('--max-workers-lost', '1')
    const events = await served.follow(job.id)
    expect(events.at(-1)).toMatchObject({ event: 'error', data: { error: { code: 'POISON' } } })
    // Dashboards of BullMQ show it among the failed ones.
    await until(async () => (await (await served.get('/metrics')).text()).includes('state="set_aside"} 1'))
  })
})

describeQueue('a worker that is told to stop', () => {
  it('finishes what it has and takes no more', async () => {
    const { room, served, worker } = await opened('--concurrency', '1', '--drain-seconds', '100')
    await using _ = room
    const running = await served.submit(MEDIUM)
    await served.untilStatus(running.job.id, 'running')
    const waiting = await served.submit()
    expect(await worker.stop()).toBe(0)
    expect(await served.job(running.job.id)).toMatchObject({ status: 'succeeded' })
    expect(await served.job(waiting.job.id)).toMatchObject({ status: 'queued' })
    await room.worker()
    expect((await served.follow(waiting.job.id)).at(-1)?.event).toBe('done')
  })

  it('ends at once when it has nothing to do', async () => {
    const { room, worker } = await opened()
    await using _ = room
    worker.child.kill('SIGTERM')
    expect(await worker.says('"msg":"stopped"')).toBe(true)
    const stopped = performance.now()
    expect(await worker.ended).toBe(0)
    expect(performance.now() - stopped).toBeLessThan(3000)
  })

  it('says that its broker cannot be reached, once, and when it is back', async () => {
    const { room, worker } = await opened()
    await using _ = room
    await room.redis.kill()
    expect(await worker.says('the broker cannot be reached')).toBe(true)
    await room.redis.start()
    expect(await worker.says('the broker is back')).toBe(true)
    expect(worker.output().match(/the broker cannot be reached/g)).toHaveLength(1)
  })

  it('hands on what takes longer than its drain', async () => {
    const { room, served, worker } = await opened('--drain-seconds', '0')
    await using _ = room
    const { job } = await served.submit(LONG)
    await served.untilStatus(job.id, 'running')
    expect(await worker.stop()).toBe(0)
    expect(await served.job(job.id)).toMatchObject({ status: 'queued', position: 0 })
    await room.worker()
    await served.untilStatus(job.id, 'running')
    const { attempt, lost, faults } = await room.record(job.id)
    expect({ lost, faults }).toEqual({ lost: undefined, faults: '0' })
    // The first one may have been given it once more before it was gone, and handed it on again.
    expect(Number(attempt)).toBeGreaterThanOrEqual(2)
  })
})

describeQueue('a broker with a replica', () => {
  it('accepts no job that the replica does not have', async () => {
    const { room, worker } = await opened()
    await using _ = room
    expect(await worker.stop()).toBe(0)
    await using replica = await startRedis()
    const careful = await room.server({ queueReplicas: 1 })
    await careful.server.backend.ready()
    const key = { 'idempotency-key': 'order-1' }
    const refused = await careful.submit(SHORT, key)
    expect([refused.status, refused.job.error.code]).toEqual([503, 'ERR_WUERSTCHEN_BROKER_UNREACHABLE'])
    await replica.follow(room.redis)
    await until(async () => (await room.client.info('replication')).includes('state=online'))
    // Asked again, as a client does until the replica keeps up.
    let accepted = await careful.submit(SHORT, key)
    await until(async () => {
      if (accepted.status === 503) accepted = await careful.submit(SHORT, key)
      return accepted.status !== 503
    })
    expect([accepted.status, accepted.job.status]).toEqual([200, 'queued'])
  })
})

describeQueue('a broker that is killed', () => {
  it('loses no accepted job; meanwhile servers answer 503', async () => {
    const { room, served } = await opened()
    await using _ = room
    const jobs = await Promise.all(Array.from({ length: 8 }, () => served.submit()))
    const following = allEventsOf(await served.get(`/v1/jobs/${jobs[7]?.job.id}/events`))
    await room.redis.kill()
    await until(async () => (await served.submit()).status === 503)
    const refused = await served.submit()
    expect(refused.job.error.code).toBe('ERR_WUERSTCHEN_BROKER_UNREACHABLE')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect((await served.get('/readyz')).status).toBe(503)
    expect((await served.get('/healthz')).status).toBe(200)
    expect((await served.get('/metrics')).status).toBe(200)
    await room.redis.start()
    await served.server.backend.ready()
    for (const { job } of jobs) {
      expect((await served.follow(job.id)).at(-1)?.event).toBe('done')
      expect((await served.job(job.id)).images).toHaveLength(1)
    }
    expect((await following).filter(({ event }) => event === 'image')).toHaveLength(1)
    expect((await served.submit()).status).toBe(202)
  })

  it('that forgets its jobs: whoever waits for one is told, and may ask again', async () => {
    const { room, served } = await opened()
    await using _ = room
    const { prompt, n, ...wuerstchen } = LONG
    const call = { prompt, n, wuerstchen }
    const { job } = await served.submit(LONG)
    const following = served.follow(job.id)
    const waiting = served.post('/v1/images/generations', call)
    const streaming = served.post('/v1/images/generations', { ...call, stream: true })
    await until(async () => (await room.client.keys('*:job:*')).length === 3)
    await room.client.flushall()
    const lost = { code: 'LOST', message: expect.stringContaining('Submit it again'), type: 'server_error' }
    expect((await following).at(-1)).toMatchObject({
      event: 'error',
      data: { error: lost, job: { id: job.id, status: 'failed', images: [], error: lost } },
    })
    const response = await waiting
    expect([response.status, (await response.json()).error]).toEqual([503, { ...lost, param: null }])
    const last = (await allEventsOf(await streaming)).at(-1)
    expect(last).toMatchObject({ event: 'error', data: { error: lost } })
    // Who comes later hears that there is no such job.
    expect((await served.get(`/v1/jobs/${job.id}/events`)).status).toBe(404)
    expect((await served.get(`/v1/jobs/${job.id}`)).status).toBe(404)
  })

  it('that lost the events of a job tells its end all the same', async () => {
    const { room, served } = await opened()
    await using _ = room
    const { job } = await served.submit()
    await served.untilStatus(job.id, 'succeeded')
    await room.client.del(`{wuerstchen}:events:${job.id}`)
    const events = await served.follow(job.id)
    expect(events.at(-1)).toMatchObject({ event: 'done', data: { job: { images: [{ index: 0 }] } } })
  })

  it('is waited for by a server that starts before it', async () => {
    await using room = await QueueRoom.open()
    await room.redis.kill()
    const served = await room.server()
    expect((await served.submit()).status).toBe(503)
    await room.redis.start()
    await room.worker()
    await served.server.backend.ready()
    expect((await served.follow((await served.submit()).job.id)).at(-1)?.event).toBe('done')
  })
})
