/** What servers say and do when nobody makes pictures: all workers gone, or the broker. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { type Answer, allEventsOf, type Served, until } from '../support/http-server'
import { describeQueue, LONG, QueueRoom, SHORT } from '../support/queue'

const { prompt, ...options } = LONG
const STEPS = (({ n: _, ...steps }) => steps)(options)
const waitingCall = (served: Served, more: object = {}) =>
  served.post('/v1/images/generations', { prompt, wuerstchen: STEPS, ...more })
const quickCall = (served: Served) =>
  served.post('/v1/images/generations', { prompt, wuerstchen: { seed: 7 } })

const metricsOf = async (url: string) => (await fetch(`${url}/metrics`)).text()
const untilTold = (url: string, ...lines: string[]) =>
  until(async () => {
    const told = (await metricsOf(url)).split('\n')
    return lines.every((line) => told.includes(line))
  }, 30_000)

const expectNobody = async (answer: Answer) => {
  expect(answer.status).toBe(503)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect((await answer.json()).error).toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('Expected a worker to answer but for 1 s none could be reached'),
  })
}

describeQueue('a call that waits for its pictures', () => {
  it('is 503 a while after the last worker went, and nothing is left of it', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server({ workerWaitSeconds: 1 })
    const worker = await room.worker('--drain-seconds', '0')
    await served.server.backend.ready()
    const [waiting, streaming] = [waitingCall(served), waitingCall(served, { stream: true })]
    await until(async () => (await served.server.backend.statistics()).runningJobs === 2)
    await worker.stop()
    await expectNobody(await waiting)
    const events = await allEventsOf(await streaming)
    expect(events.at(-1)).toMatchObject({ event: 'error', data: { error: { code: 'unavailable' } } })
    await until(async () => (await room.client.keys('*:job:*')).length === 0)
    // Now that nobody is there it is said at once; a job of its own waits.
    await expectNobody(await quickCall(served))
    const { status, job } = await served.submit()
    expect([status, job.status]).toEqual([202, 'queued'])
    await room.worker()
    await untilTold(served.url, 'wuerstchen_workers{model="shapes"} 1')
    expect((await quickCall(served)).status).toBe(200)
  })

  it('waits for a worker that comes in time', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server({ workerWaitSeconds: 60 })
    const worker = await room.worker()
    await served.server.backend.ready()
    await worker.stop()
    await untilTold(served.url, 'wuerstchen_workers{model="shapes"} 0')
    const waiting = quickCall(served)
    await until(async () => (await served.server.backend.statistics()).waitingJobs === 1)
    await room.worker()
    expect((await waiting).status).toBe(200)
  })

  it('is 503 a while after the broker went', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server({ workerWaitSeconds: 1 })
    await room.worker()
    await served.server.backend.ready()
    const waiting = waitingCall(served)
    await until(async () => (await served.server.backend.statistics()).runningJobs === 1)
    await room.redis.kill()
    await expectNobody(await waiting)
  })
})

describeQueue('metrics of an outage', () => {
  it('tell of servers and workers whether they reach the broker, and that nobody works', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server()
    // Before the first worker: a rule on 0 has something to look at.
    await untilTold(served.url, 'wuerstchen_broker_up 1', 'wuerstchen_workers{model=""} 0')
    const worker = await room.worker('--worker-port', '0')
    const probes = /"probes":"(http:[^"]+)"/.exec(worker.output())?.[1] ?? ''
    await untilTold(served.url, 'wuerstchen_workers{model="shapes"} 1', 'wuerstchen_broker_losses_total 0')
    await untilTold(probes, 'wuerstchen_broker_up 1', 'wuerstchen_broker_losses_total 0')

    await room.redis.kill()
    await untilTold(
      served.url,
      'wuerstchen_broker_up 0',
      'wuerstchen_broker_losses_total 1',
      'wuerstchen_workers{model="shapes"} 0',
    )
    await untilTold(probes, 'wuerstchen_broker_up 0', 'wuerstchen_broker_losses_total 1')

    await room.redis.start()
    await untilTold(served.url, 'wuerstchen_broker_up 1', 'wuerstchen_workers{model="shapes"} 1')
    await untilTold(probes, 'wuerstchen_broker_up 1', 'wuerstchen_broker_losses_total 1')
  })

  it('are those that deploy/prometheus/alerts.yaml looks at', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server()
    await room.worker()
    await until(async () => (await metricsOf(served.url)).includes('wuerstchen_queue_jobs{'))
    const told = await metricsOf(served.url)
    const rules = readFileSync(join(ROOT, 'deploy', 'prometheus', 'alerts.yaml'), 'utf8')
    const selectors = [...rules.matchAll(/expr: (.*)/g)].flatMap(([, expression = '']) => [
      ...expression.matchAll(/(wuerstchen_\w+)(?:\{(\w+="\w+")\})?/g),
    ])
    expect(selectors.length).toBeGreaterThan(4)
    for (const [selector, name, label = ''] of selectors) {
      const line = told.split('\n').find((one) => new RegExp(`^${name}[ {]`).test(one) && one.includes(label))
      expect([selector, line]).toEqual([selector, expect.any(String)])
    }
  })
})

describeQueue('GET /v1/info of a queue', () => {
  it('tells what its largest worker makes, or less where the server allows less', async () => {
    await using room = await QueueRoom.open()
    const served = await room.server({ maxPixels: 1_000_000 })
    const strict = await room.server({ maxPixels: 100_000 })
    const pixels = async (of: Served) => {
      const { limits, models } = await (await of.get('/v1/info')).json()
      return [limits.max_pixels, ...models.map(({ max_pixels }: { max_pixels: number }) => max_pixels)]
    }
    expect(await pixels(served)).toEqual([1_000_000])
    await room.worker('--max-pixels', '65536')
    await Promise.all([served, strict].map(({ server }) => server.backend.ready()))
    expect(await pixels(served)).toEqual([65_536, 65_536])
    const refused = await served.submit({ ...SHORT, width: 512, height: 256 })
    expect([refused.status, refused.job.error.code]).toEqual([400, 'ERR_WUERSTCHEN_MEMORY_LIMIT'])
    expect(refused.job.error.message).toContain('at most 65536 pixels, which the largest worker makes')
    await room.worker('--max-pixels', '262144')
    await untilTold(served.url, 'wuerstchen_workers{model="shapes"} 2')
    expect([await pixels(served), await pixels(strict)]).toEqual([
      [262_144, 262_144],
      [100_000, 100_000],
    ])
  })
})
