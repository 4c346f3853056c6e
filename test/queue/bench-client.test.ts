import { connected, explained } from '../../bench/support/broker-client'
import { describeQueue, QueueRoom } from '../support/queue'

describeQueue("a benchmark's connection to its broker", () => {
  it('fails with a sentence once the broker is gone, and prints nothing', async () => {
    await using room = await QueueRoom.open()
    const printed = jest.spyOn(console, 'error').mockImplementation(() => undefined)
    const client = connected(room.redis.url)
    await client.ping()
    const ended = new Promise<void>((resolve) => client.once('end', resolve))
    await room.redis.kill()
    await ended
    const error = await client.info().catch((reason) => reason)
    expect(explained(error)).toBe(
      "Expected the benchmark's broker to answer but its connection is lost: Connection is closed.",
    )
    const other = new Error('other')
    expect(explained(other)).toBe(other)
    expect(printed).not.toHaveBeenCalled()
    printed.mockRestore()
  })
})
