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

describeQueue('a server and a worker that give a password to a broker without one', () => {
  it('say once that it asks for none, and print nothing else', async () => {
    await using room = await QueueRoom.open()
    const url = room.redis.url.replace('//', '//:needless@')
    const worker = await room.worker('--queue', url)
    await using server = await startServer(['--queue', url, '--store', room.store])
    const all = [server, worker]
    await server.says('"msg":"ready"')
    await room.redis.kill()
    await until(() => all.every((one) => count(one, 'cannot be reached') > 0))
    await room.redis.start()
    await until(() => all.every((one) => count(one, 'the broker is back') > 0))
    for (const one of all) expect(await one.stop()).toBe(0)
    for (const one of all) expect([foreign(one), count(one, 'asks for no password')]).toEqual([[], 1])
  })
})
