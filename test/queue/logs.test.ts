import { startServer } from '../../bench/support/wuerstchen-process'
import { describeQueue, QueueRoom } from '../support/queue'

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace']

describeQueue('logs of a server and of a worker', () => {
  it('have one format: a JSON object a line, with the level as a word', async () => {
    await using room = await QueueRoom.open()
    const worker = await room.worker()
    await using server = await startServer(['--queue', room.redis.url, '--store', room.store])
    expect(await server.says('"msg":"ready"')).toBe(true)
    await room.redis.kill()
    for (const running of [server, worker]) {
      expect(await running.says('the broker cannot be reached')).toBe(true)
      const lines = running
        .output()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(lines.length).toBeGreaterThan(2)
      for (const line of lines) {
        expect(line).toMatchObject({
          time: expect.any(Number),
          service: 'wuerstchen',
          msg: expect.any(String),
        })
        expect(LEVELS).toContain(line.level)
      }
      const trouble = lines.find(({ msg }) => msg === 'the broker cannot be reached')
      expect(trouble).toMatchObject({ level: 'warn', err: { code: 'ERR_WUERSTCHEN_BROKER_UNREACHABLE' } })
    }
  })
})
