/** Workers and servers that are closed while their broker is away: they end, and no job is lost. */
import type { RedisServer } from '../../bench/support/redis'
import { describeQueue, LONG, QueueRoom, SHORT } from '../support/queue'
import { QueueProgram } from '../support/queue-program'
import { until } from '../support/until'

/** Timers of BullMQ and ioredis are of 5 to 15 s; after 2 s a connection that does not close is given up. */
const LINGERS_MS = 4000

/** A server's last answers have 4 s. */
const SERVER_LINGERS_MS = 8000

/** A few seconds. */
const MEDIUM = { ...SHORT, n: 2, prior_num_inference_steps: 60, num_inference_steps: 40 }

/** How a broker goes: with its connections, or without a word, as behind a cable that was cut. */
const WAYS = {
  'is gone': { go: (redis: RedisServer) => redis.kill(), back: (redis: RedisServer) => redis.start() },
  'falls silent': { go: signalled('SIGSTOP'), back: signalled('SIGCONT') },
} as const

const ways = Object.entries(WAYS)

function signalled(signal: NodeJS.Signals) {
  return async ({ pid }: RedisServer) => {
    process.kill(pid as number, signal)
  }
}

const closedWell = { code: 0, out: 'started\nclosed\n' }

describeQueue('a program that closes its worker while the broker is away', () => {
  it.each(ways)('ends by itself where it %s', async (_way, { go }) => {
    await using room = await QueueRoom.open()
    await using program = await QueueProgram.worker({ queue: room.redis.url, store: room.store })
    await go(room.redis)
    const { lingersMs, ...end } = await program.close()
    expect(end).toEqual(closedWell)
    expect(lingersMs).toBeLessThan(LINGERS_MS)
  })

  it('ends by itself where it has been gone for a while', async () => {
    await using room = await QueueRoom.open()
    await using program = await QueueProgram.worker({ queue: room.redis.url, store: room.store })
    await room.redis.kill()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const { lingersMs, ...end } = await program.close()
    expect(end).toEqual(closedWell)
    expect(lingersMs).toBeLessThan(LINGERS_MS)
  })
})

describeQueue('a program that closes its server while the broker is away', () => {
  it.each(ways)('ends by itself where it %s', async (_way, { go }) => {
    await using room = await QueueRoom.open()
    await using program = await QueueProgram.server({ queue: room.redis.url, store: room.store })
    await go(room.redis)
    const { lingersMs, ...end } = await program.close()
    expect(end).toEqual(closedWell)
    expect(lingersMs).toBeLessThan(SERVER_LINGERS_MS)
  })
})

describeQueue('a worker that is told to stop while the broker is away and it makes pictures', () => {
  it.each(ways)(
    'ends when its drain is over, and another one makes them, where it %s',
    async (_way, { go, back }) => {
      await using room = await QueueRoom.open()
      const served = await room.server()
      const worker = await room.worker('--drain-seconds', '1')
      await served.server.backend.ready()
      const { job } = await served.submit(MEDIUM)
      await served.untilStatus(job.id, 'running')
      await go(room.redis)
      expect(await worker.stop()).toBe(0)
      const foreign = worker
        .output()
        .trimEnd()
        .split('\n')
        .filter((line) => !line.startsWith('{"level":'))
      expect(foreign).toEqual([])
      await back(room.redis)
      await room.worker()
      const events = await served.follow(job.id)
      expect(events.at(-1)).toMatchObject({ event: 'done', data: { job: { status: 'succeeded' } } })
      expect((await served.job(job.id)).images).toHaveLength(2)
    },
  )

  it.each(ways)('ends the same by close() in a program, where it %s', async (_way, { go, back }) => {
    await using room = await QueueRoom.open()
    const served = await room.server()
    const settings = { queue: room.redis.url, store: room.store, queueLockSeconds: 4, drainSeconds: 1 }
    await using program = await QueueProgram.worker(settings)
    await served.server.backend.ready()
    const { job } = await served.submit(LONG)
    await served.untilStatus(job.id, 'running')
    await go(room.redis)
    const { lingersMs, ...end } = await program.close()
    expect(end).toEqual(closedWell)
    expect(lingersMs).toBeLessThan(LINGERS_MS)
    await back(room.redis)
    await room.worker()
    await until(async () => Number((await room.record(job.id)).attempt) > 1, 60_000)
    expect(await served.job(job.id)).toMatchObject({ status: 'running', error: null })
  })
})
