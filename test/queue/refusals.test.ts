/** Brokers that take no connection: they say why in one line, and close it. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { startRedis } from '../../bench/support/redis'
import { startServer } from '../../bench/support/wuerstchen-process'
import { createWorker } from '../../lib/queue'
import { Broker } from '../../lib/queue/broker'
import { explained } from '../../lib/queue/refusal'
import { describeQueue, QueueRoom } from '../support/queue'
import { until } from '../support/until'
import { writtenLog } from '../support/written-log'

/** What a process says of its broker, while `work` has its connection. */
async function toldOf(
  url: string,
  work: (told: (Error | null)[], broker: Broker) => Promise<void>,
  patient = true,
) {
  const broker = new Broker({ url, prefix: 'wuerstchen', patient })
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

/** A port where something listens that is no Redis. */
async function listening(hear: (socket: Socket) => void, work: (port: number) => Promise<void>) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    hear(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await work((server.address() as AddressInfo).port)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

describeQueue('an address where no broker answers', () => {
  const messageOf = async (url: string, patient = true) => {
    let message = ''
    await toldOf(
      url,
      async (told) => {
        await until(() => told.length > 0)
        expect(told[0]).toMatchObject({ code: 'ERR_WUERSTCHEN_BROKER_UNREACHABLE' })
        message = (told[0] as Error).message
      },
      patient,
    )
    return message
  }

  it('is told of where nothing listens, or nobody knows the name', async () => {
    await using redis = await startRedis()
    await redis.kill()
    expect(await messageOf(redis.url)).toBe(
      `Expected the queue's broker at 127.0.0.1:${redis.port} to take connections but nothing listens there (ECONNREFUSED). Start it, or correct the address of the queue.`,
    )
    const unknown = await messageOf('redis://:secret@nobody.invalid')
    expect(unknown).toContain('broker at nobody.invalid:6379 to take connections but nobody knows its name')
    expect(unknown).not.toContain('secret')
    expect(await messageOf('unix:///nowhere/redis.sock')).toContain(
      'broker at /nowhere/redis.sock to take connections but there is no such socket',
    )
  })

  it('is told of where something else answers', async () => {
    const http = (socket: Socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'))
    await listening(http, async (port) => {
      for (const patient of [true, false])
        expect(await messageOf(`redis://127.0.0.1:${port}`, patient)).toBe(
          `Expected the queue's broker at 127.0.0.1:${port} to take connections but what answers there is no Redis. Correct the host and the port in the address of the queue.`,
        )
    })
  })

  it('is told of where nothing is answered', async () => {
    await listening(
      (socket) => socket.resume(),
      async (port) => {
        expect(await messageOf(`redis://127.0.0.1:${port}`, false)).toContain(
          `broker at 127.0.0.1:${port} to take connections but it does not answer.`,
        )
      },
    )
  })
})

describeQueue('a database that the broker has not', () => {
  it('is told of, and no other one is worked on', async () => {
    await using room = await QueueRoom.open()
    for (const patient of [true, false]) {
      await toldOf(
        `${room.redis.url}/99`,
        async (told, broker) => {
          broker.answer((redis) => redis.set('a', 'b')).catch(() => undefined)
          await until(() => told.length > 0)
          const { message } = told[0] as Error
          expect(message).toContain(`broker at 127.0.0.1:${room.redis.port} to take connections but it says`)
          expect(message).toContain('DB index is out of range')
          expect(message).toContain('End the address of the queue with the number of a database')
          // It has tried again, several times.
          const connections = async () =>
            Number(/total_connections_received:(\d+)/.exec(await room.client.info('stats'))?.[1])
          const before = await connections()
          await until(async () => (await connections()) > before + 3)
          expect([broker.connected, await room.client.keys('*')]).toEqual([false, []])
          broker.close()
        },
        patient,
      )
    }
  })
})

describeQueue('a broker that refuses commands', () => {
  const ACL = ['SETUSER', 'reader', 'on', '>secret', '~*', '&*', '+@read', '+@connection', '+info'] as const

  it('is named by the log of a server, once, with its words and what helps; the server is not ready', async () => {
    await using room = await QueueRoom.open()
    await room.client.acl(...(ACL as unknown as ['SETUSER', string]))
    const { logger, errors } = writtenLog()
    const url = room.redis.url.replace('//', '//reader:secret@')
    const served = await room.server({ queue: url, logger })
    await until(() => errors().length > 0)
    const [line] = errors()
    expect(line).toMatchObject({ msg: 'the broker refuses' })
    expect(line.err.message).toContain(`broker at 127.0.0.1:${room.redis.port} to do what it is asked but`)
    expect(line.err.message).toMatch(/it says '.*NOPERM.*ACL SETUSER/)
    expect(JSON.stringify(line)).not.toMatch(/secret|redis\.call/)
    expect((await served.get('/readyz')).status).toBe(503)
    await room.client.acl('SETUSER', 'reader', '+@all')
    await room.worker()
    await served.server.backend.ready()
    await room.client.acl('SETUSER', 'reader', '-eval', '-evalsha')
    await until(async () => (await served.get('/readyz')).status === 503)
    const refused = await served.submit()
    expect([refused.status, refused.job.error.code]).toEqual([503, 'ERR_WUERSTCHEN_BROKER_UNREACHABLE'])
    expect(refused.job.error.message).toContain('The log has the reason')
    expect(errors().length).toBeLessThan(6)
  })

  it('is waited for by a worker at its start, whose log says why', async () => {
    await using room = await QueueRoom.open()
    await room.client.acl(...(ACL as unknown as ['SETUSER', string]))
    const url = room.redis.url.replace('//', '//reader:secret@')
    const { logger, errors } = writtenLog()
    const settings = { queue: url, store: room.store, logger, drainSeconds: 0 }
    const starting = createWorker(settings)
    await until(() => errors().length > 0)
    expect(errors()[0].err.message).toMatch(/it says '.*NOPERM.*ACL SETUSER/)
    await room.client.acl('SETUSER', 'reader', '+@all')
    const worker = await starting
    expect(worker.numbers.state).toBe('ready')
    await worker.close({ drainMs: 0 })
  })

  it.each([
    ['requirepass', 'other', 'NOAUTH', 'Its password stands in the address'],
    ['maxmemory', '1', 'OOM', 'Raise its maxmemory'],
  ])('by %s is waited for by a worker, too', async (setting, value, words, remedy) => {
    await using room = await QueueRoom.open()
    await room.client.config('SET', 'maxmemory-policy', 'noeviction')
    const before = setting === 'requirepass' ? '' : '0'
    await room.client.config('SET', setting, value)
    const { logger, lines } = writtenLog()
    const settings = { queue: room.redis.url, store: room.store, logger, drainSeconds: 0 }
    const starting = createWorker(settings)
    const told = () => lines().find(({ err }) => err?.message.includes(words))
    await until(() => told() !== undefined)
    expect(told()?.err.message).toContain(`broker at 127.0.0.1:${room.redis.port} to`)
    expect(told()?.err.message).toContain(remedy)
    await room.client.config('SET', setting, before)
    await (await starting).close({ drainMs: 0 })
  })
})

describe('explained()', () => {
  it.each([
    [
      "ERR unknown command 'EVAL', with args beginning with: 'local P = KEYS[1] return redis.call(1)",
      'Redis 6.2',
    ],
    ["READONLY You can't write against a read only replica.", 'that of the primary'],
    ['MISCONF Redis is configured to save RDB snapshots.', 'Its own log says'],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'Its password stands'],
  ])('has a remedy for %s', (words, remedy) => {
    const error = Object.assign(new Error(words), { name: 'ReplyError', command: { name: 'eval' } })
    const told = explained(error, 'redis://:secret@h', { wanted: 'do what it is asked' })
    expect(told.message).toContain(
      "Expected the queue's broker at h:6379 to do what it is asked but it says '",
    )
    expect(told.message).toContain(remedy)
    expect(JSON.stringify([told.message, told.stack, told.cause])).not.toMatch(/secret|KEYS|beginning/)
  })
})
