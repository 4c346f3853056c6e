import { Broker } from '../../lib/queue/broker'
import { describeQueue, QueueRoom } from '../support/queue'
import { until } from '../support/until'

describeQueue('a connection to the broker', () => {
  it('can be closed while its subscriptions are made again, and the broker goes once more', async () => {
    await using room = await QueueRoom.open()
    const broker = new Broker({ url: room.redis.url, prefix: 'wuerstchen', patient: true })
    broker.listen('wake', () => undefined)
    await until(async () => (await room.client.publish('wake', '')) === 1)
    await room.redis.kill()
    // The client subscribes by itself once it is connected. An outcome that nobody looks at would fail this test.
    const subscriber = broker['subscriber']
    const { subscribe } = subscriber
    const again = jest.spyOn(subscriber, 'subscribe').mockImplementation((...channels) => {
      process.kill(room.redis.pid as number, 'SIGKILL')
      const subscribed = subscribe.apply(subscriber, channels as never) as Promise<unknown>
      broker.close()
      return subscribed
    })
    const closed = new Promise<void>((resolve) => subscriber.once('end', resolve))
    await room.redis.start()
    await closed
    expect(again).toHaveBeenCalledTimes(1)
    // Rejections that nobody handles are told after the promises' turn.
    await new Promise((resolve) => setTimeout(resolve, 50))
  })

  it('hears again what it heard before it was cut', async () => {
    await using room = await QueueRoom.open()
    const broker = new Broker({ url: room.redis.url, prefix: 'wuerstchen', patient: true })
    const heard: string[] = []
    broker.listen('wake', (message) => heard.push(message))
    await room.redis.kill()
    await room.redis.start()
    await until(async () => (await room.client.publish('wake', 'again')) === 1)
    await until(() => heard.includes('again'))
    broker.close()
  })
})
