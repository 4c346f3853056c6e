import { type SchedulerConfig, type Step, schedule, scheduleAsDiffusers } from '../diffusion/scheduler'
import { bug } from '../errors'
import type {
  AdvanceRow,
  Dtype,
  NativeDevice,
  NativeGraph,
  NativeNoise,
  NativeTensor,
  RebindOptions,
  WeightBinding,
} from '../native/types'
import { type Lease, ModulationCache } from './modulation-cache'

/** One image in a denoising stage: all that taking it a step further needs. */
export interface Denoising {
  /** (1, C, H, W) float32; the same handle holds the latents of every step in turn. */
  readonly latents: NativeTensor
  readonly condition: readonly NativeTensor[]
  /** The same for the negative prompt; null without guidance. */
  readonly negative: readonly NativeTensor[] | null
  /** What takes the place of both from a step on, counted from 0, where the prompt changes on the way. */
  readonly changes: readonly ConditionChange[]
  readonly guidanceScale: number
  readonly modulation: NativeTensor
  readonly steps: readonly Step[]
  readonly noise: NativeNoise
  readonly noiseRow: number
  /** Gets what is left without noise, in steps that ask for it; null where none will. */
  readonly clean: NativeTensor | null
}

export interface ConditionChange extends Pick<Denoising, 'condition' | 'negative'> {
  readonly from: number
}

/** One step of one image: `step` counts those already done, `clean` asks for `Denoising.clean`. */
export interface NextStep {
  readonly denoising: Denoising
  readonly step: number
  readonly clean: boolean
}

/** What Stage B and Stage C have in common: a schedule, a modulation for it, and steps that rows share. */
export class DenoisingStage {
  private readonly modulations: ModulationCache

  constructor(
    protected readonly device: NativeDevice,
    protected readonly graph: NativeGraph,
    private readonly scheduler: SchedulerConfig,
    /** Narrower than float32 to copy what diffusers rounds in such a type. */
    private readonly rounding: Dtype,
  ) {
    this.modulations = new ModulationCache((ratios) => this.modulate(ratios))
  }

  schedule(timesteps: readonly number[]): readonly Step[] {
    return this.rounding === 'float32'
      ? schedule(timesteps, this.scheduler)
      : scheduleAsDiffusers(timesteps, this.scheduler, this.rounding)
  }

  /** The modulation of all steps, (S, M); dispose the lease when the image leaves the stage. */
  modulation(steps: readonly Step[]): Promise<Lease> {
    return this.modulations.acquire(Float32Array.from(steps, ({ ratio }) => ratio))
  }

  /** Takes every image its own next step further, as one batch. */
  advance(images: readonly NextStep[]): Promise<void> {
    const rows = images.map(toRow)
    return this.device.advance({ graph: this.graph, steps: 1, rows, rounding: this.rounding })
  }

  /** Other values for some weights. No image may be in the stage. */
  async rebind(weights: readonly WeightBinding[], how?: RebindOptions): Promise<void> {
    await this.device.rebind(this.graph, weights, how)
    this.modulations.clear()
  }

  dispose(): void {
    this.modulations.dispose()
    this.graph.dispose()
  }

  private async modulate(ratios: Float32Array): Promise<NativeTensor> {
    const ratio = { dtype: 'float32' as const, shape: [ratios.length], data: ratios }
    const [modulation] = await this.device.run(this.graph, 'modulate', [ratio])
    if (modulation === undefined) throw bug('Expected modulate to return a tensor but received none.')
    return modulation
  }
}

function toRow({ denoising, step, clean: asked }: NextStep): AdvanceRow {
  const { steps, clean: latents, changes, ...row } = denoising
  const next = steps[step]
  if (next === undefined) throw bug(`Expected a step below ${steps.length} but received ${step}.`)
  const coefficients = Float32Array.of(next.latents, next.prediction, next.noise)
  const clean =
    asked && latents !== null
      ? { latents, coefficients: Float32Array.of(next.clean.latents, next.clean.prediction) }
      : null
  const change = changes.filter(({ from }) => from <= step).at(-1)
  const { condition, negative } = change ?? denoising
  return { ...row, condition, negative, firstStep: step, coefficients, clean }
}
