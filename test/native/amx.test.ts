/** Kernels for Intel's tiles, whose instructions plain C++ stands in for where the CPU lacks them. */
import { loadRuntime } from '../../lib/native/binding'
import { buildKernelsCheck, expectExact, run } from '../support/kernels-check'

const { kernels } = loadRuntime({}).addon.cpu
const able = kernels.includes('avx512')
const describeAmx = able ? describe : describe.skip

describeAmx(
  `kernels for AMX${able ? '' : ' (SKIPPED: this CPU has no AVX-512, which they are compiled for)'}`,
  () => {
    it('are exact in tiles that C++ stands in for', () => {
      const program = buildKernelsCheck('kernels-amx', ['-DEMULATE_AMX=ON'])
      expectExact(run(program, ['amx']), ['amx'])
    }, 600_000)
  },
)
