import type { BackendStatistics } from '../server'
import type { Broker } from './broker'
import type { Jobs } from './jobs'
import { queueOf, type Roster } from './roster'

/** Metrics ask for each number on its own: those of one moment are read once. */
const FRESH_MS = 500

/** Before the first picture: milliseconds, a guess. */
const UNKNOWN_MS = 5000

/** Counters of a whole queue: every server tells the same. */
export class QueueStatistics {
  private last: Promise<BackendStatistics> | null = null
  private readAt = Number.NEGATIVE_INFINITY
  private known: BackendStatistics = NOTHING

  constructor(
    private readonly broker: Broker,
    private readonly jobs: Jobs,
  ) {}

  /** What was known last, where the broker does not answer: but for the workers, of whom nobody is heard then. */
  async read(roster: Roster): Promise<BackendStatistics> {
    const statistics = await this.counters(roster)
    const broker = this.broker.health
    return { ...statistics, broker, workers: workersOf(broker.up ? roster : { ...roster, here: [] }) }
  }

  private counters(roster: Roster): Promise<BackendStatistics> {
    if (this.last !== null && performance.now() - this.readAt < FRESH_MS) return this.last
    this.readAt = performance.now()
    this.last = this.fresh(roster).then(
      (statistics) => {
        this.known = statistics
        return statistics
      },
      () => this.known,
    )
    return this.last
  }

  estimateMs({ here }: Roster, pictures: number): number {
    const pace = paceOf(here)
    return pace === null ? UNKNOWN_MS : Math.ceil((1000 * Math.max(1, pictures)) / pace)
  }

  private async fresh(roster: Roster): Promise<BackendStatistics> {
    const counts = await this.jobs.counts()
    const count = (name: string) => counts[name] ?? 0
    return {
      waitingJobs: count('waitingJobs'),
      waitingPictures: count('waitingPictures'),
      runningJobs: count('runningJobs'),
      runningPictures: count('runningPictures'),
      keptJobs: count('keptJobs'),
      keptBytes: count('keptBytes'),
      succeeded: count('succeeded'),
      failed: count('failed'),
      canceled: count('canceled'),
      picturesPerSecond: paceOf(roster.here),
      stages: null,
      memoryBytes: null,
      queues: await this.queues(roster),
    }
  }

  private async queues({ known }: Roster) {
    const names = new Set(known.map(({ model, maxPixels }) => queueOf(model.name, maxPixels)))
    return Promise.all(
      [...names].map(async (name) => {
        const { prioritized = 0, active = 0, delayed = 0, failed = 0 } = await this.broker.depthOf(name)
        return { name, waiting: prioritized, running: active, delayed, setAside: failed }
      }),
    )
  }
}

/** By model. Where none is known it is nobody's: a number that is not there would alert nobody. */
function workersOf({ here, known }: Roster): { model: string; count: number }[] {
  const models = [...new Set(known.map(({ model }) => model.name))]
  if (models.length === 0) return [{ model: '', count: 0 }]
  return models.map((model) => ({ model, count: here.filter((card) => card.model.name === model).length }))
}

/** Of all workers together; null before the first picture. */
function paceOf(here: Roster['here']): number | null {
  const paces = here.flatMap(({ picturesPerSecond }) => picturesPerSecond ?? [])
  return paces.length === 0 ? null : paces.reduce((sum, one) => sum + one, 0)
}

const NOTHING: BackendStatistics = {
  ...{ waitingJobs: 0, waitingPictures: 0, runningJobs: 0, runningPictures: 0, keptJobs: 0, keptBytes: 0 },
  ...{ succeeded: 0, failed: 0, canceled: 0, picturesPerSecond: null, stages: null, memoryBytes: null },
}
