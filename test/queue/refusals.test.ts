/** Brokers that take no connection: they say why in one line, and close it. */
import { networkInterfaces } from 'node:os'
import { startRedis } from '../../bench/support/redis'
import { startServer } from '../../bench/support/wuerstchen-process'
import { Broker } from '../../lib/queue/broker'
import { describeQueue, QueueRoom } from '../support/queue'
import { until } from '../support/until'

/** What a process says of its broker, while `work` has its connection. */
async function toldOf(url: string, work: (told: (Error | null)[], broker: Broker) => Promise<void>) {
  const broker = new Broker({ url, prefix: 'wuerstchen', patient: true })
  const told: (Error | null)[] = []
  broker.watch((error) => told.push(error))
  try {
    await work(told, broker)
  } finally {
    broker.close()
  }
}

describeQueue('a broker that takes no more clients', () => {
  it('is told of in its own words, with its address and what helps', async () => {
    await using room = await QueueRoom.open()
    await room.client.config('SET', 'maxclients', '1')
    for (const url of [room.redis.url, room.redis.url.replace('//', '//:secret@')]) {
      await toldOf(url, async (told) => {
        await until(() => told.length > 0)
        expect(told[0]).toMatchObject({
          code: 'ERR_WUERSTCHEN_BROKER_UNREACHABLE',
          message: `Expected the queue's broker at 127.0.0.1:${room.redis.port} to take connections but it says 'ERR max number of clients reached'. Raise its maxclients.`,
        })
      })
    }
  })

  it('is waited for by a worker, whose commands are kept', async () => {
    await using room = await QueueRoom.open()
    await room.client.config('SET', 'maxclients', '1')
    await toldOf(room.redis.url, async (told, broker) => {
      const answer = broker.answer((redis) => redis.set('a', 'b'))
      await until(() => told.length > 0)
      await room.client.config('SET', 'maxclients', '100')
      expect(await answer).toBe('OK')
      await until(() => told.at(-1) === null)
      expect(told).toHaveLength(2)
    })
  })

  it('is named by serve --queue', async () => {
    await using room = await QueueRoom.open()
    await using server = await startServer(['--queue', room.redis.url, '--store', room.store])
    await room.client.config('SET', 'maxclients', '1')
    await room.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    expect(await server.says('ERR max number of clients reached')).toBe(true)
    expect(server.output()).not.toContain('EPIPE')
  })
})

const outside = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address
const MISSING = outside === undefined ? ' (SKIPPED: this machine has no address but its own)' : ''

describeQueue(`a broker in protected mode${MISSING}`, () => {
  const test = outside === undefined ? it.skip : it
  test('is told of in its own words, also by who has a password for it', async () => {
    await using redis = await startRedis({ open: true })
    for (const secret of ['', ':secret@']) {
      await toldOf(`redis://${secret}${outside}:${redis.port}`, async (told) => {
        await until(() => told.length > 0)
        const { message } = told[0] as Error
        expect(message).toContain(`broker at ${outside}:${redis.port} to take connections but it says`)
        expect(message).toContain('DENIED Redis is running in protected mode')
        expect(message).toContain('requirepass')
        expect(message).not.toContain('secret')
        expect(message).not.toContain('EPIPE')
      })
    }
  })
})
