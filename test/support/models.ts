import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ensureFixtures, ROOT } from '../../bench/support/reference'
import type { PipelineOptions } from '../../lib'

/** The small model of random weights: what most tests of the real thing run. */
export interface SmallModel {
  readonly folder: string
  readonly prior: string
  readonly graphs: string
  /** On one thread: tests share the machine, and a thread that waits for another spins. */
  readonly options: PipelineOptions
}

export function smallModel(): SmallModel {
  const fixtures = ensureFixtures()
  const folder = join(fixtures, 'small')
  const graphs = join(fixtures, 'graphs')
  return { folder, prior: `${folder}-prior`, graphs, options: { graphs, device: 'cpu', threads: 1 } }
}

/** Few steps, a small picture. */
export const QUICK = {
  width: 128,
  height: 128,
  priorNumInferenceSteps: 4,
  numInferenceSteps: 3,
  seed: 7,
} as const

const BUNDLED = join(ROOT, 'models', 'shapes')

/** `describe` for tests of the bundled model; while it is not there they are skipped under a name that says so. */
export function describeBundled(name: string, tests: () => void): void {
  if (existsSync(BUNDLED)) describe(name, tests)
  else describe.skip(`${name} (SKIPPED: ${BUNDLED} does not exist)`, tests)
}
