/** What the CPU is taken for: the fastest kind that it is, or the one that WUERSTCHEN_CPU names. */
import { expected } from '../errors'
import type { Dtype, NativeAddon } from './types'

/**
 * Kinds of CPU that there are kernels for: those of x86-64, then those of 64-bit Arm, the fastest first. `baseline` has
 * none: there the graphs run.
 */
const KINDS = [
  'amx',
  'avx512_bf16',
  'avx512_vnni',
  'avx512',
  'avx2',
  'neon_bf16',
  'neon_dotprod',
  'neon',
  'baseline',
] as const

export type CpuKind = (typeof KINDS)[number]

export interface Cpu {
  readonly kind: CpuKind
  /** Whether it multiplies these natively. */
  readonly bfloat16: boolean
  readonly float16: boolean
}

/** Whether fours of bytes are multiplied at once. */
export function multipliesBytes({ kind }: Pick<Cpu, 'kind'>): boolean {
  return ['amx', 'avx512_bf16', 'avx512_vnni', 'neon_bf16', 'neon_dotprod'].includes(kind)
}

/** Whether pairs of bfloat16 are multiplied at once. */
export function multipliesBFloat16({ kind }: Pick<Cpu, 'kind'>): boolean {
  return ['amx', 'avx512_bf16', 'neon_bf16'].includes(kind)
}

/** Kernels of ours: float32 everywhere; bfloat16 where the CPU multiplies it, and nothing else. */
export function hasKernels(cpu: Cpu, dtype: Dtype): boolean {
  if (dtype === 'bfloat16') return multipliesBFloat16(cpu)
  return dtype === 'float32' && cpu.kind !== 'baseline'
}

/** What networks whose weights are held in one type compute in: float32 where the CPU is slow at it. */
export function computedIn(cpu: Cpu, held: Dtype): Dtype {
  return held === 'float32' || cpu[held] ? held : 'float32'
}

/** What the blocks of each stage run on, by dtype, where nothing else is chosen: in words, for reports. */
export function describeKernels(cpu: Cpu): Readonly<Record<Dtype | 'int8', string>> {
  const of = (held: Dtype) => {
    const dtype = computedIn(cpu, held)
    const how = hasKernels(cpu, dtype) ? `kernels for ${cpu.kind}` : 'the graphs'
    return dtype === held ? how : `computed in ${dtype}: ${how}`
  }
  return {
    float32: of('float32'),
    bfloat16: of('bfloat16'),
    float16: of('float16'),
    int8: cpu.kind === 'baseline' ? 'not on this CPU' : describeInt8(cpu),
  }
}

/** Where rows have 8 bits Stage A keeps 16: its rounding is what one sees. */
function describeInt8(cpu: Cpu): string {
  const rows = multipliesBytes(cpu) ? 'rows of 8 bits; Stage A of 16' : 'rows of 16 bits'
  const texts = hasKernels(cpu, 'bfloat16') ? '; text encoders in bfloat16' : ''
  return `kernels for ${cpu.kind}, ${rows}${texts}`
}

type Environment = Readonly<Record<string, string | undefined>>

/** @throws InvalidArgumentError where WUERSTCHEN_CPU names a kind that this CPU is not. */
export function cpuOf({ cpu }: Pick<NativeAddon, 'cpu'>, env: Environment = process.env): Cpu {
  const here = KINDS.filter((kind) => kind === 'baseline' || cpu.kernels.includes(kind))
  const wanted = env.WUERSTCHEN_CPU
  const kind = wanted ? here.find((one) => one === wanted) : here[0]
  if (kind === undefined) throw expected('WUERSTCHEN_CPU', `one of ${here.join(', ')}`, wanted)
  const limited = kind !== here[0]
  return {
    kind,
    bfloat16: cpu.bfloat16 && (!limited || multipliesBFloat16({ kind })),
    float16: cpu.float16 && !limited,
  }
}
