/** What a queue forgets, and in whose store. */
import { Janitor } from '../../lib/queue/janitor'
import { openStore } from '../../lib/queue/store'
import { describeQueue } from '../support/queue'
import { JobsRoom } from '../support/queue-jobs'
import { until } from '../support/until'
import { writtenLog } from '../support/written-log'

const KEY = '{wuerstchen}:store'
const PICTURE = { index: 0, width: 8, height: 8, mediaType: 'image/png', bytes: 1, seed: 7, totalMs: 1 }

/** A job that is over, as is its time to live, with its picture in the store. */
async function expiredJob(open: JobsRoom, store: ReturnType<typeof openStore>) {
  const id = await open.submit()
  const attempt = await open.begun(id)
  const place = `${id}/1-0.png`
  await store.put(place, Promise.resolve(Buffer.from('a picture')), 'image/png')
  const timings = {} as never
  expect(await open.jobs.show(attempt, { ...PICTURE, timings, place })).toBe('last')
  return { id, place }
}

/** Deadlines come first in a round: once a second one is heeded, a whole round is over. */
async function wholeRound({ jobs, submit }: { jobs: JobsRoom['jobs']; submit(): Promise<string> }) {
  for (let i = 0; i < 2; i++) {
    const late = await submit()
    await until(async () => (await jobs.find(late))?.snapshot.status === 'failed')
  }
}

describeQueue('a queue whose store is another one than a process has', () => {
  it('keeps the jobs that this process would let expire, or is to delete, until it has the store', async () => {
    await using open = await JobsRoom.open({ timeToLiveMs: 1 })
    const { jobs, broker, room } = open
    const store = openStore(room.store)
    const { logger, lines } = writtenLog()
    const { id, place } = await expiredJob(open, store)
    await room.client.set(KEY, 'folder another')
    const janitor = new Janitor(broker, jobs, store, () => logger)
    janitor.start()
    try {
      await wholeRound({ jobs, submit: () => open.submit({ deadline: Date.now() - 1 }) })
      await expect(janitor.forget(id)).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_STORE_FAILED' })
      expect((await jobs.find(id))?.snapshot.status).toBe('succeeded')
      expect(await store.get(place)).not.toBeNull()
      expect(lines()).toEqual([])
      await room.client.set(KEY, await store.identity())
      await until(async () => (await jobs.find(id)) === null)
      expect(await store.get(place)).toBeNull()
    } finally {
      janitor.close()
    }
  })
})
