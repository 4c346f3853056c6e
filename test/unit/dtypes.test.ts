import { chooseKernels, chooseRuns, type Dtypes } from '../../lib/loading/dtypes'
import type { Cpu } from '../../lib/native/cpu'

const CPU: Cpu = { kind: 'avx512_bf16', bfloat16: true, float16: false }
const inFloat32: Dtypes = { stored: 'float32', dtype: 'float32', rounding: 'float32' }
const inBFloat16: Dtypes = { stored: 'bfloat16', dtype: 'bfloat16', rounding: 'float32' }
const widened: Dtypes = { stored: 'bfloat16', dtype: 'float32', rounding: 'float32' }
const inFloat16: Dtypes = { stored: 'float16', dtype: 'float16', rounding: 'float32' }
const on = (cpu: Partial<Cpu> = {}, device = 'cpu', offload: 'none' | 'model' = 'none') => ({
  device,
  offload,
  cpu: { ...CPU, ...cpu },
})

describe('chooseKernels()', () => {
  it('packs weights that are held in what is computed in, all of them at once', () => {
    const packed = { kind: 'avx512_bf16', pack: 'full', without: [] }
    expect(chooseKernels('auto', 'float32', inFloat32, on())).toEqual(packed)
    expect(chooseKernels('auto', 'bfloat16', inBFloat16, on())).toEqual(packed)
  })

  it('rounds rows to 8 bits where fours of bytes are multiplied at once, else to 16', () => {
    expect(chooseKernels('auto', 'int8', widened, on())?.pack).toBe('bytes')
    expect(chooseKernels('auto', 'int8', widened, on({ kind: 'avx512_vnni' }))?.pack).toBe('bytes')
    expect(chooseKernels('auto', 'int8', widened, on({ kind: 'avx512' }))?.pack).toBe('int8')
    expect(chooseKernels('packed', 'int8', widened, on({ kind: 'avx2' }))?.pack).toBe('int8')
  })

  it('reads them where they lie if they come and go, or would become wider', () => {
    expect(chooseKernels('auto', 'bfloat16', inBFloat16, on({}, 'cpu', 'model'))?.pack).toBe('none')
    expect(chooseKernels('auto', 'bfloat16', widened, on({ kind: 'avx2', bfloat16: false }))?.pack).toBe(
      'none',
    )
    expect(chooseKernels('packed', 'bfloat16', widened, on({ kind: 'avx2' }))?.pack).toBe('full')
  })

  it('leaves to the graphs what there are no kernels for', () => {
    expect(chooseKernels('off', 'float32', inFloat32, on())).toBeNull()
    expect(chooseKernels('packed', 'float32', inFloat32, on({ kind: 'baseline' }))).toBeNull()
    expect(chooseKernels('auto', 'float32', inFloat32, on({}, 'cuda:0'))).toBeNull()
    expect(chooseKernels('auto', 'float16', inFloat16, on())).toBeNull()
    expect(chooseKernels('auto', 'bfloat16', inBFloat16, on({ kind: 'avx512' }))).toBeNull()
  })
})

describe('chooseRuns()', () => {
  const auto = { prior: 'auto', decoder: 'auto', vqgan: 'auto' } as const
  const packed = { kind: 'avx512_bf16', pack: 'full', without: [] }

  it('runs all stages alike', () => {
    const run = { stored: 'bfloat16', dtype: 'bfloat16', kernels: packed }
    expect(chooseRuns(auto, 'bfloat16', inBFloat16, on())).toMatchObject({
      prior: run,
      decoder: run,
      vqgan: run,
    })
  })

  it("reads a text encoder's weights where they lie, on its stage's kernels", () => {
    const mapped = { ...packed, pack: 'none' }
    const { prior, decoder } = chooseRuns({ ...auto, decoder: 'off' }, 'bfloat16', inBFloat16, on())
    expect(prior.text).toEqual({ stored: 'bfloat16', dtype: 'bfloat16', kernels: mapped })
    expect(decoder.text.kernels).toBeNull()
  })

  it('runs all stages of int8 alike, with text encoders in bfloat16 where the CPU multiplies it', () => {
    const { prior, decoder, vqgan } = chooseRuns(auto, 'int8', widened, on())
    const rounded = { kind: 'avx512_bf16', pack: 'bytes', without: [] }
    // Stage A in bfloat16 would make a picture as inexact as bfloat16 does.
    expect(vqgan).toEqual({ stored: 'bfloat16', dtype: 'float32', kernels: rounded })
    const text = { stored: 'bfloat16', dtype: 'bfloat16', kernels: { ...packed, pack: 'none' } }
    expect(prior).toEqual({ ...vqgan, text })
    expect(decoder).toEqual(prior)
    const wide = chooseRuns(auto, 'int8', widened, on({ kind: 'avx512_vnni' }))
    expect([wide.vqgan.dtype, wide.prior.text.dtype]).toEqual(['float32', 'float32'])
    expect(wide.prior.text.kernels?.pack).toBe('none')
  })

  it('shares what Stages B and C pack, and all of int8 that comes and goes', () => {
    const shared = { prior: 'shared', decoder: 'shared', vqgan: 'shared' } as const
    const { prior, decoder, vqgan } = chooseRuns(shared, 'bfloat16', inBFloat16, on())
    expect([prior.kernels, decoder.kernels]).toEqual(Array(2).fill({ ...packed, shared: true }))
    expect([vqgan.kernels, prior.text.kernels]).toEqual([packed, { ...packed, pack: 'none' }])
    const offloaded = chooseRuns(auto, 'int8', widened, on({}, 'cpu', 'model'))
    expect(offloaded.prior.kernels).toEqual({ ...packed, pack: 'bytes', shared: true })
    expect(offloaded.vqgan.kernels?.shared).toBeUndefined()
    expect(chooseRuns(auto, 'int8', widened, on()).prior.kernels?.shared).toBeUndefined()
  })

  it('follows a choice for each stage', () => {
    const chosen = { prior: 'mapped', decoder: 'off', vqgan: 'auto' } as const
    const { prior, decoder, vqgan } = chooseRuns(chosen, 'bfloat16', inBFloat16, on())
    expect([prior.kernels?.pack, decoder.kernels, vqgan.kernels?.pack]).toEqual(['none', null, 'full'])
  })
})
