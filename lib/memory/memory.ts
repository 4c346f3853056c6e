import { MemoryLimitError } from '../errors'
import type { NativeGraph } from '../native/types'
import { STAGES, type Stage } from '../stages/stage'
import { HighWater } from './high-water'
import { type Maps, sum } from './maps'
import type { Picture } from './picture'
import type { Residency } from './residency'

/** Memory of one stage, its text encoder included, in bytes. Node and libtorch themselves are not counted. */
export interface StageMemory {
  /** Its weights, as they are used. */
  readonly weights: number
  /** The part of them that is held now: mapped pages and private copies. */
  readonly held: number
  /**
   * The part of `held` that is private memory: weights that were converted or that a LoRA changed, and what kernels keep.
   * The rest are pages of files, which the system may take whenever it needs room.
   */
  readonly private: number
  /** The most that was held while it ran: weights, private memory, and tensors of a call. Before it has run the most that it held. */
  readonly peak: number
  /** What a picture of the size that `memory()` was asked about is expected to need at most. The default is the model's own size. */
  readonly predicted: number
}

/** Memory of a pipeline, in bytes. A stage's `peak` and `predicted` count what other stages hold while it runs. */
export interface PipelineMemory {
  readonly held: number
  /** The part of `held` that is private memory. */
  readonly private: number
  /** The most that was held at one time since the model was loaded, tensors of a call included: never less than `held`. */
  readonly peak: number
  readonly predicted: number
  readonly stages: Readonly<Record<Stage, StageMemory>>
}

/** A network that runs in a stage. */
interface StageNetwork {
  readonly graph: NativeGraph
  /** Elements of the largest weight that is widened to float32 to be used; 0 where none is. */
  readonly widest: number
  /** Private bytes of its weights in the kernels' layout, once all are; 0 where they are read as they lie, or shared. */
  readonly packed: number
  /** Bytes that bringing one weight into that layout takes meanwhile; 0 where none is. */
  readonly prepared: number
  /** How many weights it has. */
  readonly parameters: number
}

export type StageNetworks = Readonly<Record<Stage, readonly StageNetwork[]>>

const FLOAT = 4 // bytes

/** What libtorch keeps for each weight of a loaded network beside its numbers: v2's 2,664 took 16 MB. */
const BYTES_PER_PARAMETER = 6000

/** What one picture takes of the memory that weights leave, as parts of it up to 1; all 0 where there is no limit. */
export interface MemoryShares {
  /** Held from its first turn to its last. */
  readonly kept: number
  /** Beside that, while a stage takes a step of it. */
  readonly steps: Readonly<Record<Stage, number>>
}

/** What a pipeline holds, held, and will hold; and whether a request fits. */
export class Memory {
  private readonly highWater: HighWater

  constructor(
    private readonly residency: Residency,
    private readonly networks: StageNetworks,
    private readonly maps: Maps,
    /** Bytes; null for no limit. */
    private readonly limit: number | null,
  ) {
    this.highWater = new HighWater(residency, networks)
  }

  /** What is held has changed; by a turn of the stage that `ran`, where there is one. */
  observe(ran: Stage | null = null): void {
    this.highWater.observe(ran)
  }

  /** Bytes at the time when a stage needs most, by stage. */
  predict(picture: Picture): Readonly<Record<Stage, number>> {
    return byStage((stage) => Math.ceil(this.beside(stage, picture) + this.maps.all(stage, picture)))
  }

  /** @throws MemoryLimitError for a request of which not even one picture fits. */
  check(picture: Picture, stages: readonly Stage[]): void {
    if (this.limit === null) return
    const predicted = this.predict(picture)
    const [worst = 'prior'] = [...stages].sort((a, b) => predicted[b] - predicted[a])
    if (predicted[worst] <= this.limit) return
    const { pixelWidth, pixelHeight } = picture.sizes
    throw new MemoryLimitError(
      `Expected a request that needs at most ${this.limit} bytes (maxMemory) but one picture of ` +
        `${pixelWidth}x${pixelHeight} is predicted to need ${predicted[worst]} in the ${worst}`,
      { details: { maxMemory: this.limit, predicted: predicted[worst], stages: predicted } },
    )
  }

  /** Of all pictures on their way `kept`, and of those in a batch the stage's `steps`, sum up to 1 at most. */
  shares(picture: Picture, stages: readonly Stage[]): MemoryShares {
    const { limit } = this
    if (limit === null) return { kept: 0, steps: { prior: 0, decoder: 0, vqgan: 0 } }
    const shareOf = (bytes: number, stage: Stage) => {
      const room = limit - this.beside(stage, picture)
      return room <= 0 ? 1 : Math.min(1, bytes / room)
    }
    // What the prior's conditions take is theirs until no picture of the request needs them.
    const kept = sum(stages.map((stage) => this.maps.kept(stage, picture)))
    return {
      kept: Math.max(...stages.map((stage) => shareOf(kept, stage))),
      steps: byStage((stage) => shareOf(this.maps.step(stage, picture), stage)),
    }
  }

  report(picture: Picture): PipelineMemory {
    const predicted = this.predict(picture)
    this.observe()
    const stages = byStage((stage) => ({
      weights: sum(this.networks[stage].map(({ graph }) => graph.memory.weights)),
      held: sum(this.networks[stage].map(({ graph }) => this.highWater.held(graph))),
      private: sum(this.networks[stage].map(({ graph }) => graph.memory.copied + graph.kernelBytes())),
      peak: this.highWater.of(stage),
      predicted: predicted[stage],
    }))
    const all = STAGES.map((stage) => stages[stage])
    return {
      held: sum(all.map(({ held }) => held)),
      private: sum(all.map((one) => one.private)),
      peak: this.highWater.all,
      predicted: Math.max(...all.map((one) => one.predicted)),
      stages,
    }
  }

  /** Weights that are held while a stage runs: its own and, without offloading, all others'. */
  private weightsIn(stage: Stage): number {
    const all = STAGES.flatMap((one) => this.networks[one])
    const packed = sum(all.map((network) => network.packed + network.graph.repackedBytes()))
    const copies = packed + sum(all.map(({ graph }) => graph.memory.copied))
    if (this.residency.offload === 'none') return packed + sum(all.map(({ graph }) => graph.memory.weights))
    return copies + Math.max(0, ...this.networks[stage].map(({ graph }) => this.residency.heldAtMost(graph)))
  }

  private objects(): number {
    const all = STAGES.flatMap((stage) => this.networks[stage])
    return BYTES_PER_PARAMETER * sum(all.map(({ parameters }) => parameters))
  }

  private scratch(stage: Stage): number {
    return Math.max(
      0,
      ...this.networks[stage].map(({ widest, prepared }) => Math.max(FLOAT * widest, prepared)),
    )
  }

  /** What is held beside the tensors of the pictures that a stage has: they are as many as fit. */
  private beside(stage: Stage, picture: Picture): number {
    const alone = this.residency.offload !== 'none' // another network gives all back before it
    const others = alone ? 0 : this.maps.ofOthers(stage, picture)
    const heap = this.maps.inHeap(alone ? [stage] : STAGES, picture)
    return this.weightsIn(stage) + this.objects() + this.scratch(stage) + others + heap
  }
}

/** Of the same model on several devices. */
export function sumOf(reports: readonly PipelineMemory[]): PipelineMemory {
  const added = (of: (report: PipelineMemory) => number) => sum(reports.map(of))
  return {
    held: added(({ held }) => held),
    private: added((report) => report.private),
    peak: added(({ peak }) => peak),
    predicted: added(({ predicted }) => predicted),
    stages: byStage((stage) => ({
      weights: added(({ stages }) => stages[stage].weights),
      held: added(({ stages }) => stages[stage].held),
      private: added(({ stages }) => stages[stage].private),
      peak: added(({ stages }) => stages[stage].peak),
      predicted: added(({ stages }) => stages[stage].predicted),
    })),
  }
}

function byStage<Value>(of: (stage: Stage) => Value): Readonly<Record<Stage, Value>> {
  return { prior: of('prior'), decoder: of('decoder'), vqgan: of('vqgan') }
}
