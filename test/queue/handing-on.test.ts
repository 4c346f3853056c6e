import { Jobs } from '../../lib/queue/jobs'
import { QueueWorker } from '../../lib/queue/worker'
import { checkConfig } from '../../lib/server/config/read'
import { fakePipeline } from '../support/fake-pipeline'
import { describeQueue, LONG, QueueRoom, SHORT } from '../support/queue'
import { until } from '../support/until'

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined }

describeQueue('a worker that is stopped while the broker gives it a job', () => {
  afterEach(() => {
    jest.restoreAllMocks()
  })

  it.each(['before', 'after'])('hands the job on, %s the broker did', async (when) => {
    await using room = await QueueRoom.open()
    const served = await room.server()
    const settings = { queue: room.redis.url, store: room.store, logLevel: 'silent' } as const
    const worker = new QueueWorker(fakePipeline().pipeline, checkConfig(settings, 'worker'), LOG)
    const { begin } = Jobs.prototype
    let closing: Promise<void> | null = null
    const stopped = async () => {
      closing = worker.close({ drainMs: 0 })
      await new Promise((resolve) => setTimeout(resolve, 5)) // its drain ends first: timers go in turn
    }
    jest.spyOn(Jobs.prototype, 'begin').mockImplementation(async function (this: Jobs, ...given) {
      if (when === 'before') await stopped()
      const attempt = await begin.apply(this, given)
      if (when === 'after') await stopped()
      return attempt
    })
    await worker.start()
    await served.server.backend.ready()
    const { job } = await served.submit(SHORT)
    while (closing === null) await new Promise((resolve) => setImmediate(resolve))
    await closing
    expect(await served.job(job.id)).toMatchObject({ status: 'queued', position: 0 })
    const { attempt, lost, faults } = await room.record(job.id)
    expect({ lost, faults }).toEqual({ lost: undefined, faults: '0' })
    expect(Number(attempt)).toBeGreaterThanOrEqual(1) // more where it was given the job again before it was gone
  })
})

describeQueue('a worker that is given its own job again, because it stood still for a while', () => {
  /** A worker whose steps take so long. */
  async function slow(stepMs: number) {
    const room = await QueueRoom.open()
    const served = await room.server()
    const settings = {
      queue: room.redis.url,
      store: room.store,
      queueLockSeconds: 4,
      concurrency: 2,
    } as const
    const { pipeline, device } = fakePipeline()
    device.before = () => new Promise((resolve) => setTimeout(resolve, stepMs))
    const worker = new QueueWorker(pipeline, checkConfig(settings, 'worker'), LOG)
    await worker.start()
    await served.server.backend.ready()
    return { room, served, worker }
  }

  it('hands the job on all the same once it is stopped', async () => {
    const { room, served, worker } = await slow(5) // a job takes much longer than this test
    await using _ = room
    const { job } = await served.submit(LONG)
    await served.untilStatus(job.id, 'running')
    // As it is after a pause of the machine.
    await until(async () => (await room.client.del(await room.client.keys('*:lock'))) > 0)
    await until(() => worker.numbers.attempts.over === 1)
    expect(worker.numbers.jobs).toBe(1)
    await worker.close({ drainMs: 0 })
    expect(worker.numbers.attempts).toMatchObject({ over: 1, handed_on: 1, succeeded: 0 })
    expect(await served.job(job.id)).toMatchObject({ status: 'queued', position: 0 })
  })

  it('makes it with the next attempt, however much longer than a lock that takes', async () => {
    const { room, served, worker } = await slow(100)
    await using _ = room
    const { job } = await served.submit({ ...SHORT, prior_num_inference_steps: 40, num_inference_steps: 1 })
    await served.untilStatus(job.id, 'running')
    await until(async () => (await room.client.del(await room.client.keys('*:lock'))) > 0)
    await until(() => worker.numbers.attempts.over === 1)
    await served.untilStatus(job.id, 'succeeded')
    await worker.close()
  })
})
