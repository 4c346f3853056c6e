import { chooseRuns, dtypesOn } from '../../lib/loading/dtypes'
import {
  type CpuKind,
  cpuOf,
  describeKernels,
  multipliesBFloat16,
  multipliesBytes,
} from '../../lib/native/cpu'

const cpu = {
  bfloat16: true,
  float16: false,
  capability: 'AVX512',
  kernels: ['amx', 'avx512_bf16', 'avx512_vnni', 'avx512', 'avx2'],
}

describe('cpuOf()', () => {
  it('takes a CPU for the fastest kind that it is', () => {
    expect(cpuOf({ cpu }, {})).toEqual({ kind: 'amx', bfloat16: true, float16: false })
    expect(cpuOf({ cpu: { ...cpu, kernels: ['avx2'] } }, {}).kind).toBe('avx2')
    expect(cpuOf({ cpu: { ...cpu, kernels: [] } }, {}).kind).toBe('baseline')
  })

  it('knows the kinds of Arm', () => {
    const arm = { ...cpu, kernels: ['neon_bf16', 'neon_dotprod', 'neon'], capability: 'DEFAULT' }
    expect(cpuOf({ cpu: arm }, {}).kind).toBe('neon_bf16')
    expect(multipliesBFloat16(cpuOf({ cpu: arm }, {}))).toBe(true)
    const older = cpuOf({ cpu: arm }, { WUERSTCHEN_CPU: 'neon_dotprod' })
    expect([multipliesBytes(older), multipliesBFloat16(older)]).toEqual([true, false])
    const oldest = cpuOf({ cpu: arm }, { WUERSTCHEN_CPU: 'neon' })
    expect([multipliesBytes(oldest), multipliesBFloat16(oldest)]).toEqual([false, false])
  })

  it.each(['avx512_vnni', 'avx512', 'avx2', 'baseline'])(
    'takes it for %s if WUERSTCHEN_CPU says so, without narrow types',
    (kind) => {
      const env = { WUERSTCHEN_CPU: kind }
      expect(cpuOf({ cpu }, env)).toEqual({ kind, bfloat16: false, float16: false })
    },
  )

  it('keeps its abilities if WUERSTCHEN_CPU names what it is', () => {
    expect(cpuOf({ cpu }, { WUERSTCHEN_CPU: 'amx' })).toEqual(cpuOf({ cpu }, {}))
  })

  it('multiplies bfloat16 as the kind that WUERSTCHEN_CPU names does', () => {
    const kind = 'avx512_bf16'
    expect(cpuOf({ cpu }, { WUERSTCHEN_CPU: kind })).toEqual({ kind, bfloat16: true, float16: false })
  })

  it('refuses a kind that it is not', () => {
    const old = { cpu: { ...cpu, kernels: ['avx2'] } }
    expect(() => cpuOf(old, { WUERSTCHEN_CPU: 'avx512' })).toThrow(
      "Expected WUERSTCHEN_CPU to be one of avx2, baseline but received 'avx512'",
    )
  })
})

describe('describeKernels()', () => {
  const BOTH = [true, false]
  const KINDS = [...cpu.kernels, 'neon_bf16', 'neon_dotprod', 'neon', 'baseline'] as CpuKind[]
  const cpus = KINDS.flatMap((kind) =>
    BOTH.flatMap((bfloat16) => BOTH.map((float16) => ({ kind, bfloat16, float16 }))),
  )

  it.each(cpus)('says what a pipeline takes: %j', (one) => {
    const auto = { prior: 'auto', decoder: 'auto', vqgan: 'auto' } as const
    const said = describeKernels(one)
    for (const held of ['float32', 'bfloat16', 'float16'] as const) {
      const dtypes = dtypesOn('cpu', held, [], null, one)
      const { prior } = chooseRuns(auto, held, dtypes, { device: 'cpu', offload: 'none', cpu: one })
      expect(/computed in float32/.test(said[held])).toBe(prior.dtype !== held)
      expect(/kernels for (\w+)/.exec(said[held])?.[1]).toBe(prior.kernels?.kind)
    }
  })

  it('says what each dtype runs on', () => {
    const fast = { kind: 'avx512_bf16', bfloat16: true, float16: false } as const
    expect(describeKernels(fast)).toEqual({
      float32: 'kernels for avx512_bf16',
      bfloat16: 'kernels for avx512_bf16',
      float16: 'computed in float32: kernels for avx512_bf16',
      int8: 'kernels for avx512_bf16, rows of 8 bits; Stage A of 16; text encoders in bfloat16',
    })
    expect(describeKernels({ ...fast, kind: 'amx' }).bfloat16).toBe('kernels for amx')
    expect(describeKernels({ ...fast, kind: 'avx2' }).int8).toBe('kernels for avx2, rows of 16 bits')
    expect(describeKernels({ ...fast, float16: true }).float16).toBe('the graphs')
    expect(describeKernels({ ...fast, kind: 'baseline', bfloat16: false })).toMatchObject({
      float32: 'the graphs',
      bfloat16: 'computed in float32: the graphs',
      int8: 'not on this CPU',
    })
  })
})
