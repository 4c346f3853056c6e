/** Kernels for Arm, compiled for it and run under qemu, against plain sums in double precision. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'

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

/** As a share of the root of the mean square; of products with 8 bits, what their roundings leave. */
const LIMITS: Readonly<Record<string, readonly [float32: number, bfloat16: number]>> = {
  'product-packed': [1e-5, 0.03],
  'product-stored': [1e-5, 0.03],
  'product-int8': [0.05, 0],
  'product-bytes': [0.06, 0],
  attention: [1e-5, 0.015],
  'attention-rough': [0.015, 0.015],
  depthwise: [1e-6, 0.01],
  modulate: [1e-6, 0.01],
  statistics: [1e-6, 1e-6],
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

describeArm(`kernels for Arm${because}`, () => {
  const build = join(ROOT, 'build-release', 'kernels-arm64')

  beforeAll(() => {
    const cross = onArm ? [] : [`-DCMAKE_TOOLCHAIN_FILE=${join(ROOT, 'cpp/portable/linux-arm64.cmake')}`]
    const source = join(ROOT, 'cpp/testing/kernels')
    run('cmake', ['-S', source, '-B', build, '-DCMAKE_BUILD_TYPE=Release', ...cross])
    run('cmake', ['--build', build, '--parallel', '2'])
    expect(existsSync(join(build, 'kernels_check'))).toBe(true)
  }, 600_000)

  it.each(Object.entries(onArm ? { host: ['neon'] } : CPUS))(
    'are exact on %s',
    (cpu, kinds) => {
      const program = join(build, 'kernels_check')
      const output = onArm ? run(program, []) : run('qemu-aarch64', ['-cpu', cpu, program])
      const answers = output
        .trim()
        .split('\n')
        .map((line) => line.split(' ') as [string, string, string, string, string])
      expect([...new Set(answers.map(([kind]) => kind))]).toEqual(
        onArm ? expect.arrayContaining(kinds) : kinds,
      )
      const limitOf = (number: string, name: string) => LIMITS[name]?.[number === 'float32' ? 0 : 1] ?? 0
      expect(answers.filter(([, number, name, error]) => !(Number(error) <= limitOf(number, name)))).toEqual(
        [],
      )
      // Whatever else is computed with them: rows of a block alone give the same bits.
      expect(answers.filter(([, , , , alone]) => alone !== 'same')).toEqual([])
      expect(answers).toHaveLength(16 * new Set(answers.map(([kind]) => kind)).size)
    },
    120_000,
  )
})
