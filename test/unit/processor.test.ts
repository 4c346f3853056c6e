import { describeProcessor } from '../../lib/native/processor'

const ARM = `processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd aes asimdhp asimddp sve i8mm bf16 dgh
CPU implementer\t: 0x41
CPU part\t: 0xd40
`

describe('describeProcessor()', () => {
  it('names a processor of Arm by its numbers, as it does not say its name', () => {
    expect(describeProcessor(ARM, 'unknown')).toEqual({
      model: 'Arm Neoverse V1',
      features: ['asimd', 'asimdhp', 'asimddp', 'sve', 'i8mm', 'bf16'],
    })
    expect(describeProcessor(ARM.replace('0xd40', '0xfff'), '').model).toBe(
      'Arm (implementer 0x41, part 0xfff)',
    )
  })

  it('keeps the name that the system gives, and the flags that matter', () => {
    const info = 'flags\t\t: fpu sse2 avx2 fma avx512f avx512_bf16 erms\n'
    expect(describeProcessor(info, 'Some Processor')).toEqual({
      model: 'Some Processor',
      features: ['avx2', 'avx512f', 'avx512_bf16'],
    })
  })

  it('says unknown where there is nothing to read', () => {
    expect(describeProcessor('', '')).toEqual({ model: 'unknown', features: [] })
  })
})
