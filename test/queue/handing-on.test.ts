import { Jobs } from '../../lib/queue/jobs'
import { QueueWorker } from '../../lib/queue/worker'
import { checkConfig } from '../../lib/server/config/read'
import { fakePipeline } from '../support/fake-pipeline'
import { describeQueue, QueueRoom, SHORT } from '../support/queue'

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
