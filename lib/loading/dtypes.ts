/** What weights are held in, what the networks compute in, and on which kernels. */

import { DeviceError } from '../errors'
import type { Offload } from '../memory/residency'
import { type Cpu, computedIn, hasKernels, multipliesBytes } from '../native/cpu'
import type { Dtype, Kernels, NativeKernels, WeightBinding } from '../native/types'
import type { Stage } from '../stages/stage'
import { volume } from '../tensors/shape'
import { STORED_AS } from '../tensors/stored'

/** What a pipeline's weights may be held in. */
export type WeightsDtype = Dtype | 'int8'

/** What one device holds, computes in, and rounds noise, timesteps and latents to. */
export interface Dtypes {
  readonly stored: Dtype
  readonly dtype: Dtype
  /** float32 but for parity with diffusers in a narrow type. */
  readonly rounding: Dtype
}

/** Weights above this make narrow types worth their rounding: they halve what is read every step. */
const LARGE = 500e6 // parameters

/** What `'auto'` means: float32, or bfloat16 for a large model where the device multiplies it natively. */
export function chooseDtype(weights: readonly WeightBinding[], device: string, cpu: Cpu): Dtype {
  const large = weights.reduce((sum, weight) => sum + volume(weight.shape), 0) > LARGE
  // On a CPU without it, bfloat16 is about six times slower than float32.
  const fast = device === 'cpu' ? cpu.bfloat16 : device.startsWith('cuda')
  return large && fast ? 'bfloat16' : 'float32'
}

/** The dtypes of one device for the `wanted` one. */
export function dtypesOn(
  device: string,
  wanted: WeightsDtype,
  weights: readonly WeightBinding[],
  parity: string | null,
  cpu: Cpu,
): Dtypes {
  if (wanted === 'int8') {
    if (device !== 'cpu' || cpu.kind === 'baseline') {
      const message = `Expected a CPU with AVX2, AVX-512 or Arm's NEON for dtype int8 but the device is ${device}${device === 'cpu' ? ' without them' : ''}.`
      throw new DeviceError(message, { details: { device } })
    }
    return { stored: dtypeOfFiles(weights), dtype: 'float32', rounding: 'float32' }
  }
  return parity === 'diffusers'
    ? { stored: wanted, dtype: wanted, rounding: wanted }
    : { stored: wanted, dtype: device === 'cpu' ? computedIn(cpu, wanted) : wanted, rounding: 'float32' }
}

/** What most of the weights are stored in: to hold them so costs no copy. */
function dtypeOfFiles(weights: readonly WeightBinding[]): Dtype {
  const sizes: Record<Dtype, number> = { float32: 0, bfloat16: 0, float16: 0 }
  const dtypes = Object.keys(sizes) as Dtype[]
  for (const weight of weights) {
    const float = dtypes.find((dtype) => STORED_AS[dtype] === weight.dtype)
    if (float !== undefined) sizes[float] += volume(weight.shape)
  }
  return dtypes.reduce((most, dtype) => (sizes[dtype] > sizes[most] ? dtype : most))
}

/**
 * Null where the graphs run as they are. Packed weights are private memory: no use where they would be wider than those that
 * are held, or where weights come and go. Those of 8 bits lie in no checkpoint, so where weights come and go they are shared.
 */
export function chooseKernels(
  wanted: 'auto' | Kernels,
  weights: WeightsDtype,
  { dtype }: Dtypes,
  where: { readonly device: string; readonly offload: Offload; readonly cpu: Cpu },
): NativeKernels | null {
  const { device, offload, cpu } = where
  if (wanted === 'off' || device !== 'cpu' || !hasKernels(cpu, dtype)) return null
  const { kind } = cpu
  const rounds = weights === 'int8'
  const shared = wanted === 'shared' || (rounds && offload !== 'none')
  const sharing = shared ? { shared } : {}
  if (rounds) return { kind, pack: multipliesBytes(cpu) ? 'bytes' : 'int8', without: [], ...sharing }
  const packs =
    shared || wanted === 'packed' || (wanted === 'auto' && weights === dtype && offload === 'none')
  return { kind, pack: packs ? 'full' : 'none', without: [], ...sharing }
}

/** What one network's weights are held in, what it computes in, and on which kernels. */
export interface NetworkRun extends Pick<Dtypes, 'stored' | 'dtype'> {
  /** Null runs its graph as it is. */
  readonly kernels: NativeKernels | null
}

/** What a user chose for each stage. */
export type StageKernels = Readonly<Record<Stage, 'auto' | Kernels>>

/** A stage that reads text, and its text encoder. */
export interface ReadingRun extends NetworkRun {
  readonly text: NetworkRun
}

/** How each stage runs. */
export interface StageRuns {
  readonly prior: ReadingRun
  readonly decoder: ReadingRun
  readonly vqgan: NetworkRun
}

/**
 * By rule: every stage alike. But where the CPU multiplies bfloat16, the text encoders of int8 compute in it: they are faster, and
 * a picture hardly shows it. Stage A would be faster too, but its rounding costs a quarter of a level (docs/fidelity.md).
 */
export function chooseRuns(
  wanted: StageKernels,
  weights: WeightsDtype,
  { stored, dtype, rounding }: Dtypes,
  where: { readonly device: string; readonly offload: Offload; readonly cpu: Cpu },
): StageRuns {
  const of = (stage: Stage): NetworkRun => ({
    stored,
    dtype,
    kernels: chooseKernels(wanted[stage], weights, { stored, dtype, rounding }, where),
  })
  const inBfloat16 = (stage: Stage): NetworkRun | null => {
    if (weights !== 'int8') return null
    const narrow = { stored: 'bfloat16', dtype: 'bfloat16' } as const
    const kernels = chooseKernels(wanted[stage], 'bfloat16', { ...narrow, rounding }, where)
    return kernels === null ? null : { ...narrow, kernels }
  }
  const reading = (stage: Stage): ReadingRun => ({
    ...of(stage),
    text: whereTheyLie(inBfloat16(stage) ?? of(stage)),
  })
  return { prior: reading('prior'), decoder: reading('decoder'), vqgan: unshared(of('vqgan')) }
}

/** Stage A and a previewer pack a few megabytes: they are not worth a file. */
export function unshared(run: NetworkRun): NetworkRun {
  if (run.kernels === null) return run
  const { shared: _, ...kernels } = run.kernels
  return { ...run, kernels }
}

/** A text is read once: its encoder's weights are not worth a copy in the kernels' layout. */
function whereTheyLie(run: NetworkRun): NetworkRun {
  const { kernels } = unshared(run)
  return kernels === null ? run : { ...run, kernels: { ...kernels, pack: 'none' } }
}
