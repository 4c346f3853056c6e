import type { NativeGraph } from '../native/types'
import { STAGES, type Stage } from '../stages/stage'
import { sum } from './maps'
import type { Residency } from './residency'

type Graphs = Readonly<Record<Stage, readonly { readonly graph: NativeGraph }[]>>

/** What was seen of a network's calls. */
interface Calls {
  /** `NativeGraph.peakBytes()`, and `kernelBytes()`, when it was last looked at. */
  peak: number
  kernels: number
  /** What its calls took at most beside what kernels kept of it. */
  tensors: number
}

/**
 * The most that was held at one time. Whoever changes what is held has it looked at: a turn of the engine, a change of weights,
 * a report. What comes and goes between two looks is seen where it is a call's tensors.
 */
export class HighWater {
  private readonly marks: Record<Stage, number> = { prior: 0, decoder: 0, vqgan: 0 }
  private most = 0
  private readonly calls = new Map<NativeGraph, Calls>()

  constructor(
    private readonly residency: Residency,
    private readonly networks: Graphs,
  ) {}

  /** Of all stages together. */
  get all(): number {
    return this.most
  }

  /** While a stage ran, with what the others held meanwhile; of one that has not run what it held itself. */
  of(stage: Stage): number {
    return this.marks[stage]
  }

  /** Looks at what is held; `ran` is the stage that had a turn since the last look. */
  observe(ran: Stage | null = null): void {
    for (const stage of STAGES) {
      const graphs = this.networks[stage].map(({ graph }) => graph)
      const during = graphs.map((graph) => {
        const rose = this.readCalls(graph)
        return rose || stage === ran ? this.whileRunning(graph) : 0
      })
      const own = sum(graphs.map((graph) => this.held(graph)))
      this.marks[stage] = Math.max(this.marks[stage], own, ...during)
    }
    const now = sum(this.graphs.map((graph) => this.held(graph)))
    this.most = Math.max(this.most, now, ...Object.values(this.marks))
  }

  /** Bytes of a network that are held now. */
  held(graph: NativeGraph): number {
    return this.residency.held(graph) + graph.kernelBytes()
  }

  private get graphs(): readonly NativeGraph[] {
    return STAGES.flatMap((stage) => this.networks[stage].map(({ graph }) => graph))
  }

  /** Whether a call took more than any before. What kernels packed meanwhile was part of it, and is held from now on. */
  private readCalls(graph: NativeGraph): boolean {
    const [peak, kernels] = [graph.peakBytes(), graph.kernelBytes()]
    const last = this.calls.get(graph) ?? { peak: 0, kernels: 0, tensors: 0 }
    const rose = peak > last.peak
    const own = rose ? peak - Math.max(0, kernels - last.kernels) : 0
    this.calls.set(graph, { peak: Math.max(peak, last.peak), kernels, tensors: Math.max(last.tensors, own) })
    return rose
  }

  private whileRunning(graph: NativeGraph): number {
    const tensors = this.calls.get(graph)?.tensors ?? 0
    if (this.residency.offload === 'none') return tensors + sum(this.graphs.map((one) => this.held(one)))
    const kept = sum(this.graphs.map((one) => one.memory.copied + one.kernelBytes()))
    return tensors + kept + this.residency.heldAtMost(graph)
  }
}
