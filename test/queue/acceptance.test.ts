import { Acceptance } from '../../lib/queue/acceptance'
import { Broker } from '../../lib/queue/broker'
import { Jobs } from '../../lib/queue/jobs'
import type { JobRequest } from '../../lib/server'
import { until } from '../support/http-server'
import { describeQueue, QueueRoom, REQUEST } from '../support/queue'

const FACTS = { queue: 'q', server: 's', maxQueue: 2, maxUnfinished: 9, timeToLiveMs: 60_000 }

describeQueue('what comes into a queue', () => {
  let room: QueueRoom
  let broker: Broker
  let acceptance: Acceptance

  beforeEach(async () => {
    room = await QueueRoom.open()
    broker = new Broker({ url: room.redis.url, prefix: 'wuerstchen', patient: false })
    acceptance = new Acceptance(broker, new Jobs(broker), 0)
    await until(() => broker.connected)
  })
  afterEach(async () => {
    broker?.close()
    await room?.[Symbol.asyncDispose]()
  })

  const submit = (request: Partial<JobRequest> = {}) => acceptance.submit({ ...REQUEST, ...request }, FACTS)

  async function accepted(): Promise<string> {
    const outcome = await submit()
    if (!('made' in outcome)) throw new Error(JSON.stringify(outcome))
    return outcome.id
  }

  /** What workers are given, and what there are records of. */
  async function held() {
    const entries = await room.client.zrange('{wuerstchen}:q:prioritized', 0, -1)
    const records = await room.client.keys('{wuerstchen}:job:*')
    return {
      entries: entries.sort(),
      records: records.map((key) => key.slice('{wuerstchen}:job:'.length)).sort(),
    }
  }

  it('has an entry and a record, whether the broker knows the script or not', async () => {
    const ids = [await accepted(), await accepted()].sort()
    expect(await held()).toEqual({ entries: ids, records: ids })
  })

  it('gives workers nothing without a record, though the broker is new', async () => {
    const id = await accepted()
    const added = await room.client.xrange('{wuerstchen}:q:events', '-', '+')
    expect(new Set(added.flatMap(([, fields]) => fields.filter((one) => one.startsWith('job_'))))).toEqual(
      new Set([id]),
    )
  })

  it('leaves no entry of a job that is refused', async () => {
    const ids = [await accepted(), await accepted()].sort()
    expect([await submit(), await submit()]).toEqual([
      { full: 'queue', there: 2 },
      { full: 'queue', there: 2 },
    ])
    await until(async () => (await held()).entries.length === 2)
    expect(await held()).toEqual({ entries: ids, records: ids })
  })

  it('loses no job where the broker has lost its scripts', async () => {
    const first = await accepted()
    await room.client.script('FLUSH')
    const ids = [first, await accepted()].sort()
    await until(async () => (await held()).entries.length === 2)
    expect(await held()).toEqual({ entries: ids, records: ids })
  })

  it('knows a key again', async () => {
    const made = await submit({ idempotencyKey: 'order-1' })
    const found = await submit({ idempotencyKey: 'order-1' })
    expect(found).toEqual({ found: 'made' in made && made.id })
    const { entries, records } = await held()
    expect(entries).toEqual(records)
    expect(records).toHaveLength(1)
  })
})
