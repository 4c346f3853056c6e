/** Records that the broker lost, or somebody deleted: what they stood for in the counts goes with them. */
import type { Jobs } from '../../lib/queue/jobs'
import type { JobRequest } from '../../lib/server'
import { describeQueue, QueueRoom, REQUEST } from '../support/queue'
import { FACTS, JobsRoom } from '../support/queue-jobs'
import { until } from '../support/until'
import { writtenLog } from '../support/written-log'

const NOTHING = {
  ...{ waitingJobs: 0, waitingPictures: 0, runningJobs: 0, runningPictures: 0 },
  ...{ keptJobs: 0, keptBytes: 0 },
}
const PICTURE = {
  ...{ index: 0, width: 256, height: 256, mediaType: 'image/png', bytes: 10, seed: 7, totalMs: 1 },
  timings: { queuedMs: 0, priorMs: 0, decoderMs: 0, vqganMs: 0 },
  place: 'somewhere',
}

describeQueue('counts of jobs whose records are lost', () => {
  let own: JobsRoom
  let room: QueueRoom
  let jobs: Jobs

  beforeEach(async () => {
    own = await JobsRoom.open({ maxQueue: 4 })
    ;({ room, jobs } = own)
  })
  afterEach(() => own?.[Symbol.asyncDispose]())

  const submit = (request?: Partial<JobRequest>) => own.submit(request)
  const begun = (id: string) => own.begun(id)
  const lose = (...ids: string[]) => room.client.del(...ids.map((id) => `{wuerstchen}:job:${id}`))

  it('are those of what is left, whatever state each job was in', async () => {
    const [waiting, running, finished] = [await submit({ count: 2 }), await submit(), await submit()]
    await begun(running)
    await jobs.show(await begun(finished), PICTURE)
    expect(await jobs.counts()).toMatchObject({
      ...{ waitingPictures: 2, runningPictures: 1, keptJobs: 1, keptBytes: 10, succeeded: 1 },
    })
    await lose(waiting)
    expect(await jobs.mend(0)).toEqual([waiting])
    expect(await jobs.counts()).toMatchObject({ waitingJobs: 0, waitingPictures: 0, runningPictures: 1 })
    await lose(running, finished)
    expect([...(await jobs.mend(0))].sort()).toEqual([running, finished].sort())
    // Whoever followed them was told that they failed.
    expect(await jobs.counts()).toEqual({ ...NOTHING, succeeded: 1, failed: 2 })
    expect(await jobs.mend(0)).toEqual([])
  })

  it('leave nothing behind: no limit of a key, no deadline, no place in a list', async () => {
    const unfinished = await submit({
      deadline: Date.now() + 60_000,
      owner: 'alice smith',
      idempotencyKey: 'k',
    })
    const finished = await submit({ owner: 'bob' })
    await jobs.finish(finished, null, { status: 'succeeded' })
    await lose(unfinished, finished)
    await jobs.mend(0)
    expect((await room.client.keys('*')).sort()).toEqual(['{wuerstchen}:counts'])
  })

  it('are right after a mend of jobs that are there', async () => {
    const [one, two] = [await submit({ count: 2 }), await submit()]
    const attempt = await begun(one)
    const before = await jobs.counts()
    expect(await jobs.mend(0)).toEqual([])
    expect(await jobs.counts()).toEqual(before)
    await jobs.release(attempt, false)
    await jobs.finish(one, null, { status: 'succeeded' })
    await jobs.finish(two, null, { status: 'succeeded' })
    expect([await jobs.forget(one), await jobs.forget(two)]).toEqual([true, true])
    expect(await jobs.counts()).toEqual({ ...NOTHING, succeeded: 2 })
    expect(await room.client.keys('*')).toEqual(['{wuerstchen}:counts'])
  })

  it.each(['counts', 'shares'])(
    'are right again once no job is left, after somebody deleted :%s',
    async (key) => {
      const [one, two] = [await submit({ count: 2 }), await submit()]
      await room.client.del(`{wuerstchen}:${key}`)
      for (const id of [one, two]) await jobs.finish(id, null, { status: 'succeeded' })
      for (const id of [one, two]) await jobs.forget(id)
      await jobs.mend(0)
      const counts = { ...NOTHING, ...(await jobs.counts()) }
      expect(counts).toEqual({ ...NOTHING, succeeded: 2 })
    },
  )

  it('are mended a part at a time, until all were looked at', async () => {
    const many = { ...FACTS, maxQueue: 10_000, maxUnfinished: 10_000 }
    const ids = await Promise.all(Array.from({ length: 3000 }, () => jobs.submit(REQUEST, many)))
    const lost = ids.flatMap((one) => ('made' in one ? one.id : [])).slice(0, 2990)
    await lose(...lost)
    const first = await jobs.mend(0)
    expect(first.length).toBeLessThan(2990)
    const found = new Set(first)
    await until(async () => {
      for (const id of await jobs.mend(0)) found.add(id)
      return found.size === lost.length
    })
    expect(await jobs.counts()).toMatchObject({ waitingJobs: 10, waitingPictures: 10 })
  })

  it('hold up no deadlines of other jobs, however many are lost', async () => {
    const key = '{wuerstchen}:deadlines'
    await room.client.zadd(key, ...Array.from({ length: 150 }, (_, i) => [1, `gone-${i}`]).flat())
    const late = await submit({ deadline: 2 })
    const served = await room.server()
    await until(async () => (await jobs.find(late))?.snapshot.status === 'failed')
    await until(async () => (await room.client.zcard(key)) === 0)
    await served[Symbol.asyncDispose]()
  })
})

describeQueue('a server whose queue is full of lost jobs', () => {
  it('takes jobs again, and its log says what was lost', async () => {
    await using room = await QueueRoom.open()
    const { logger, lines } = writtenLog()
    const served = await room.server({ maxQueue: 1, logger })
    const worker = await room.worker()
    await served.server.backend.ready()
    await worker.stop()
    const { job } = await served.submit()
    expect((await served.submit()).status).toBe(429)
    await room.client.del(`{wuerstchen}:job:${job.id}`)
    await until(async () => (await served.submit()).status === 202, 60_000)
    const lost = lines().find(({ jobs }) => jobs !== undefined)
    expect(lost).toMatchObject({ jobs: [job.id], msg: 'the broker lost the records of jobs' })
  })
})
