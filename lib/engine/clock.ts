import { STAGES, type Stage } from '../stages/stage'

/** Where one picture's time went, in milliseconds of wall clock; steps shared with other pictures count in full. */
export interface ImageTimings {
  /** Waiting for its first turn. */
  readonly queuedMs: number
  /** Text encoding and Stage C. */
  readonly priorMs: number
  /** Stage B. */
  readonly decoderMs: number
  /** Stage A. */
  readonly vqganMs: number
  /** The sum of the others. */
  readonly totalMs: number
}

/** `performance.now()` of an image's arrival and of each stage's begin. */
export class Clock {
  private readonly arrived = performance.now()
  private readonly begins = new Map<Stage, number>()

  get running(): boolean {
    return this.begins.size > 0
  }

  begin(stage: Stage): void {
    this.begins.set(stage, performance.now())
  }

  timings(): ImageTimings {
    const end = performance.now()
    const begun = STAGES.filter((stage) => this.begins.has(stage))
    const beginOf = (stage: Stage | undefined) => (stage && this.begins.get(stage)) ?? end
    const lasted = (stage: Stage) => {
      const place = begun.indexOf(stage)
      return place < 0 ? 0 : beginOf(begun[place + 1]) - beginOf(stage)
    }
    return {
      queuedMs: beginOf(begun[0]) - this.arrived,
      priorMs: lasted('prior'),
      decoderMs: lasted('decoder'),
      vqganMs: lasted('vqgan'),
      totalMs: end - this.arrived,
    }
  }
}
