/** Kernels for Arm, compiled for it and run under qemu. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { buildKernelsCheck, expectExact, run } from '../support/kernels-check'

const onArm = process.arch === 'arm64'
const has = (program: string) => spawnSync(program, ['--version']).status === 0
const missing = onArm ? [] : ['aarch64-linux-gnu-g++', 'qemu-aarch64'].filter((program) => !has(program))
const because = missing.length === 0 ? '' : ` (SKIPPED: no ${missing.join(', no ')} here)`
const describeArm = missing.length === 0 ? describe : describe.skip

// Everything, an N1, and an A72, which multiplies neither bfloat16 nor bytes at once.
const CPUS = {
  'max,sve=off': ['neon_bf16', 'neon_dotprod', 'neon'],
  'neoverse-n1': ['neon_dotprod', 'neon'],
  'cortex-a72': ['neon'],
}

describeArm(`kernels for Arm${because}`, () => {
  let program: string

  beforeAll(() => {
    const cross = onArm ? [] : [`-DCMAKE_TOOLCHAIN_FILE=${join(ROOT, 'cpp/portable/linux-arm64.cmake')}`]
    program = buildKernelsCheck('kernels-arm64', cross)
  }, 600_000)

  it.each(Object.entries(onArm ? { host: ['neon'] } : CPUS))(
    'are exact on %s',
    (cpu, kinds) => {
      const output = onArm ? run(program, []) : run('qemu-aarch64', ['-cpu', cpu, program])
      expectExact(output, onArm ? expect.arrayContaining(kinds) : kinds)
    },
    120_000,
  )
})
