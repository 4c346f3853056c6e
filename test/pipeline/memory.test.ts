/** What `pipeline.memory()` predicts beside what a process of its own takes. Linux: it reads /proc. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { describeBundled } from '../support/models'
import { ensureDist } from '../support/node-process'

const MODEL = join(ROOT, 'models', 'shapes')
const PROGRAM = join(ROOT, 'bench', 'support', 'memory-child.js')
const SIDE = 2048 // so that weights, 31 MB, hardly count
const APART = 1.25

interface Found {
  readonly predicted: Readonly<Record<string, number>>
  readonly taken: Readonly<Record<string, number>>
}

function measure(options: object): Found {
  const task = JSON.stringify({ model: MODEL, options, side: SIDE })
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, task], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

const most = (bytes: Readonly<Record<string, number>>) => Math.max(...Object.values(bytes))

const describeOnLinux =
  process.platform === 'linux'
    ? describeBundled
    : (name: string, tests: () => void) => describe.skip(`${name} (SKIPPED: it reads /proc)`, tests)

describeOnLinux('The memory of a picture of 2048x2048', () => {
  beforeAll(ensureDist)

  it.each([
    { dtype: 'float32', kernels: 'auto', offload: 'none' },
    { dtype: 'float32', kernels: 'off', offload: 'none' },
    { dtype: 'float32', kernels: 'auto', offload: 'sequential' },
  ])(
    'is predicted within 1.25 times of what a process takes: %j',
    (options) => {
      const { predicted, taken } = measure(options)
      expect(most(taken)).toBeGreaterThan(100e6)
      expect(most(predicted) / most(taken)).toBeGreaterThan(1 / APART)
      expect(most(predicted) / most(taken)).toBeLessThan(APART)
    },
    120_000,
  )
})
