/** The jobs of a queue that has neither servers nor workers: a test submits and begins them itself. */
import { Broker } from '../../lib/queue/broker'
import { type Attempt, Jobs } from '../../lib/queue/jobs'
import type { JobRequest } from '../../lib/server'
import { QueueRoom, REQUEST } from './queue'

type Facts = Parameters<Jobs['submit']>[1]

export const FACTS: Facts = { queue: 'q', server: 's', maxQueue: 9, maxUnfinished: 9, timeToLiveMs: 60_000 }

export class JobsRoom implements AsyncDisposable {
  readonly jobs: Jobs

  private constructor(
    readonly room: QueueRoom,
    readonly broker: Broker,
    private readonly facts: Facts,
  ) {
    this.jobs = new Jobs(broker)
  }

  static async open(facts: Partial<Facts> = {}): Promise<JobsRoom> {
    const room = await QueueRoom.open()
    const broker = new Broker({ url: room.redis.url, prefix: 'wuerstchen', patient: true })
    return new JobsRoom(room, broker, { ...FACTS, ...facts })
  }

  async submit(request: Partial<JobRequest> = {}): Promise<string> {
    const outcome = await this.jobs.submit({ ...REQUEST, ...request }, this.facts)
    if (!('made' in outcome)) throw new Error(JSON.stringify(outcome))
    return outcome.id
  }

  async begun(id: string, token = 'token'): Promise<Attempt> {
    const attempt = await this.jobs.begin(id, token, 'worker', 3)
    if (attempt === null || attempt === 'POISON') throw new Error(`Expected an attempt: ${attempt}`)
    return attempt
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.broker.close()
    await this.room[Symbol.asyncDispose]()
  }
}
