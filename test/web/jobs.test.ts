import type { Job } from '../../web/api/types'
import { Slots } from '../../web/jobs/slots'
import { type JobAction, progressOf, reduceJobs, type WatchedJob } from '../../web/jobs/state'
import { secondsOf, statusOf } from '../../web/jobs/words'

const JOB: Job = {
  id: 'job_1',
  object: 'job',
  status: 'queued',
  created_at: 1,
  started_at: null,
  finished_at: null,
  expires_at: null,
  position: 2,
  request: { prompt: 'a red circle', n: 2 },
  images: [],
  warnings: [],
  error: null,
}
const step = (index: number, stage: 'prior' | 'decoder', step: number, eta_ms: number): JobAction => ({
  type: 'event',
  id: JOB.id,
  event: { type: 'step', data: { job: JOB.id, index, stage, step, steps: 10, eta_ms } },
})
const queued = (position: number): JobAction => ({
  type: 'event',
  id: JOB.id,
  event: { type: 'queued', data: { job: JOB.id, position, warnings: [] } },
})
const jobAfter = (...actions: JobAction[]): WatchedJob => {
  const [job] = [{ type: 'watched', job: JOB } as JobAction, ...actions].reduce(reduceJobs, [])
  if (job === undefined) throw new Error('Expected a job')
  return job
}

describe('reduceJobs()', () => {
  it('follows a job through the queue, its steps and its pictures', () => {
    expect(statusOf(jobAfter())).toBe('In the queue, 2 jobs before it')
    expect(statusOf(jobAfter(queued(1)))).toBe('In the queue, 1 job before it')
    expect(statusOf(jobAfter(queued(0)))).toBe('Next in the queue')
    const working = jobAfter(step(0, 'prior', 5, 1500), step(1, 'prior', 2, 2500))
    expect(statusOf(working)).toBe('Working: prior, step 2 of 10, 3 s left')
    expect(progressOf(working)).toBeCloseTo((0.3 + 0.12) / 2)
    const saved = [0, 1].map((index) => ({ type: 'saved', id: JOB.id, index }) as const)
    expect(progressOf(jobAfter(...saved))).toBe(1)
    expect(statusOf(jobAfter(step(0, 'decoder', 10, 0), ...saved))).toBe('Saving …')
  })

  it('never goes back as the stages follow each other', () => {
    const parts = (['prior', 'decoder'] as const).flatMap((stage) =>
      [1, 5, 10].map((count) => progressOf(jobAfter(step(0, stage, count, 0), step(1, stage, count, 0)))),
    )
    expect(parts).toEqual([...parts].sort((a, b) => a - b))
  })

  it('keeps the preview of each picture apart', () => {
    const data = { job: JOB.id, index: 1, step: 2, steps: 9, width: 8, height: 8, media_type: 'image/png' }
    const job = jobAfter({
      type: 'event',
      id: JOB.id,
      event: { type: 'preview', data: { ...data, b64_json: 'AA==' } },
    })
    expect(job.pictures.map(({ preview }) => preview)).toEqual([null, 'data:image/png;base64,AA=='])
  })

  it('tells cancellation, failure and loss apart', () => {
    const error = { message: 'No room', type: 'server_error', param: null, code: null }
    const ended = (status: Job['status']): JobAction => ({
      type: 'event',
      id: JOB.id,
      event: { type: 'error', data: { job: { ...JOB, status }, error } },
    })
    expect(statusOf(jobAfter({ type: 'canceling', id: JOB.id, canceling: true }))).toBe('Canceling …')
    expect(statusOf(jobAfter(ended('canceled')))).toBe('Canceled')
    expect(statusOf(jobAfter(ended('failed')))).toBe('Failed: No room')
    expect(statusOf(jobAfter({ type: 'lost', id: JOB.id, message: 'gone' }))).toBe('Failed: gone')
  })

  it('has a job once, however often it is heard of', () => {
    const twice = [JOB, { ...JOB, position: 1 }].map((job) => ({ type: 'watched', job }) as const)
    const jobs = twice.reduce(reduceJobs, [] as readonly WatchedJob[])
    expect(jobs.map(({ position }) => position)).toEqual([1])
    expect(reduceJobs(jobs, { type: 'dismissed', id: JOB.id })).toEqual([])
  })
})

describe('secondsOf()', () => {
  it('rounds up, and turns to minutes', () => {
    expect([0, 1001, 119_000, 121_000].map(secondsOf)).toEqual(['1 s', '2 s', '119 s', '3 min'])
  })
})

describe('Slots', () => {
  it('lets so many through, the others in their order', async () => {
    const slots = new Slots(1)
    const order: string[] = []
    const release = await slots.take()
    const rest = ['a', 'b'].map(async (name) => {
      const give = await slots.take()
      order.push(name)
      give()
      give()
    })
    expect(order).toEqual([])
    release()
    await Promise.all(rest)
    expect(order).toEqual(['a', 'b'])
    ;(await slots.take())()
  })
})
