import { channel } from 'node:diagnostics_channel'
import { STAGES, type Stage } from '../stages/stage'

/** What one stage did since the pipeline was loaded. */
export interface StageStatistics {
  /** Native calls: one is one step of a batch, or one picture of the vqgan. */
  readonly turns: number
  /** Steps of single pictures in them; `steps / turns` is how well batches were filled. */
  readonly steps: number
  /** Batch entries in them: a guided picture takes two. */
  readonly rows: number
  /** Milliseconds that these calls took. */
  readonly busyMs: number
}

/** What the text encoders did, both together. */
export interface TextStatistics {
  /** Times that one of them read a text: 77 tokens, in v2. */
  readonly encoded: number
  /** Times that one of them had read it before, and the answer was still there. */
  readonly cached: number
  /** The part of all that was still there, 0 to 1; 0 before the first text. */
  readonly hitRate: number
}

/** Counters of a pipeline since it was loaded. */
export interface PipelineStatistics {
  /** Images that had no turn yet. */
  readonly waiting: number
  /** Images under way. */
  readonly running: number
  /** Images that were delivered. */
  readonly finished: number
  /** Images that were not: aborted, timed out, failed, or refused by `dispose()`. */
  readonly failed: number
  /** Batch entries that a native call may have now, summed over devices; less than `maxBatchRows` while memory is short. */
  readonly maxRows: number
  /** Native calls of several images that ran out of memory, and were repeated for each alone. */
  readonly shortages: number
  readonly stages: Readonly<Record<Stage, StageStatistics>>
  readonly texts: TextStatistics
}

/** Of several text encoders. */
export function textsOf(counts: readonly Pick<TextStatistics, 'encoded' | 'cached'>[]): TextStatistics {
  const encoded = counts.reduce((sum, one) => sum + one.encoded, 0)
  const cached = counts.reduce((sum, one) => sum + one.cached, 0)
  return { encoded, cached, hitRate: cached === 0 ? 0 : cached / (encoded + cached) }
}

/** Published on the diagnostics channel `wuerstchen:turn` after each native call of a stage. */
export interface TurnMessage {
  readonly stage: Stage
  /** What pictures must have in common to share it: the stage, the size of its maps, and the number of tokens. */
  readonly key: string
  /** Pictures that shared it. */
  readonly images: number
  readonly rows: number
  readonly ms: number
}

/** Published on the diagnostics channel `wuerstchen:request` when a request ends. */
export interface RequestMessage {
  readonly part: 'generate' | 'prior' | 'decode'
  readonly images: number
  /** From its arrival. */
  readonly ms: number
  /** Why it was not finished; null when it was. */
  readonly error: unknown
}

const turns = channel('wuerstchen:turn')
const requests = channel('wuerstchen:request')

/** Tells those who listen that a request has ended. */
export function publishRequest(message: RequestMessage): void {
  if (requests.hasSubscribers) requests.publish(message)
}

/** Counts what an engine does and tells those who listen. */
export class Statistics {
  finished = 0
  failed = 0
  private readonly counts = new Map(
    STAGES.map((stage) => [stage, { turns: 0, steps: 0, rows: 0, busyMs: 0 }]),
  )

  turn(message: TurnMessage): void {
    const count = this.counts.get(message.stage)
    if (count !== undefined) {
      count.turns += 1
      count.steps += message.images
      count.rows += message.rows
      count.busyMs += message.ms
    }
    if (turns.hasSubscribers) turns.publish(message)
  }

  get stages(): PipelineStatistics['stages'] {
    return Object.fromEntries(
      [...this.counts].map(([stage, count]) => [stage, { ...count }]),
    ) as unknown as PipelineStatistics['stages']
  }
}
