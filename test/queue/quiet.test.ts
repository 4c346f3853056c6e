/** What a queue's packages would print by themselves: all of it is in the log, as lines of ours. */
import { startServer, type WuerstchenProcess } from '../../bench/support/wuerstchen-process'
import { describeQueue, QueueRoom } from '../support/queue'
import { until } from '../support/until'

/** Lines that are no JSON. */
const foreign = (running: WuerstchenProcess) =>
  running
    .output()
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('{"level":'))

const count = (running: WuerstchenProcess, text: string) => running.output().split(text).length - 1

describeQueue('a server and a worker whose broker fails in every way', () => {
  it('say so in their logs, print nothing else, and end when they are told to, while it is away', async () => {
    await using room = await QueueRoom.open()
    const worker = await room.worker()
    await using server = await startServer(['--queue', room.redis.url, '--store', room.store])
    const all = [server, worker]
    const told = (text: string, times = 1) => until(() => all.every((one) => count(one, text) >= times))
    await server.says('"msg":"ready"')
    await room.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await room.client.client('KILL', 'TYPE', 'pubsub')
    await room.redis.kill()
    await told('nothing listens there')
    await room.redis.start()
    await told('the broker is back')
    await room.client.config('SET', 'requirepass', 'other')
    await room.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await told('NOAUTH')
    await room.client.config('SET', 'requirepass', '')
    await told('the broker is back', 2)
    await room.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    await room.client.config('SET', 'maxclients', '1')
    await room.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await told('max number of clients')
    await room.client.config('SET', 'maxclients', '100')
    await told('the broker is back', 3)
    await room.redis.kill()
    for (const one of all) expect(await one.stop()).toBe(0)
    for (const one of all) expect(foreign(one)).toEqual([])
  })
})
