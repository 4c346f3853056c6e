/** The kernels alone, in a program without libtorch and Node, against plain sums in double precision. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'

/** As a share of the root of the mean square; of products with 8 bits, what their roundings leave. */
const LIMITS: Readonly<Record<string, readonly [float32: number, bfloat16: number]>> = {
  'product-packed': [1e-5, 0.03],
  'product-stored': [1e-5, 0.03],
  'product-int8': [0.05, 0],
  'product-bytes': [0.06, 0],
  attention: [1e-5, 0.015],
  'attention-rough': [0.015, 0.015],
  'attention-narrow': [1e-5, 0.015],
  'attention-rough-narrow': [0.015, 0.015],
  depthwise: [1e-6, 0.01],
  modulate: [1e-6, 0.01],
  statistics: [1e-6, 1e-6],
}

export function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

/** Compiles the program into `build-release/NAME` with these flags for CMake; returns its path. */
export function buildKernelsCheck(name: string, flags: readonly string[]): string {
  const build = join(ROOT, 'build-release', name)
  const source = join(ROOT, 'cpp/testing/kernels')
  run('cmake', ['-S', source, '-B', build, '-DCMAKE_BUILD_TYPE=Release', ...flags])
  run('cmake', ['--build', build, '--parallel', '2'])
  return join(build, 'kernels_check')
}

/** What the program printed: every answer of these kinds is there and exact, and the same alone as beside other rows. */
export function expectExact(output: string, kinds: unknown): void {
  const answers = output
    .trim()
    .split('\n')
    .map((line) => line.split(' ') as [string, string, string, string, string])
  expect([...new Set(answers.map(([kind]) => kind))]).toEqual(kinds)
  const limitOf = (number: string, name: string) => LIMITS[name]?.[number === 'float32' ? 0 : 1] ?? 0
  expect(answers.filter(([, number, name, error]) => !(Number(error) <= limitOf(number, name)))).toEqual([])
  expect(answers.filter(([, , , , alone]) => alone !== 'same')).toEqual([])
  expect(answers).toHaveLength(20 * new Set(answers.map(([kind]) => kind)).size)
}
