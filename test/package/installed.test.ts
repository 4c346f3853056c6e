/** `npm install wuerstchen`, then a picture, on a machine with Node and nothing else. The whole matrix is release:check. */
import { spawnSync } from 'node:child_process'
import { ROOT } from '../../bench/support/reference'
import { ensureDist } from '../support/node-process'

// What libtorch is taken from, and the tools that make it small, are there for these.
const canBeMade = process.platform === 'linux' && process.arch === 'x64'
const LIMIT_MS = 600_000

interface Step {
  readonly name: string
  readonly ok: boolean
  readonly reason?: string
}

describe('the package, installed by npm without scripts, compiler or Python', () => {
  const test = canBeMade ? it : it.skip
  test(
    canBeMade
      ? 'makes the very picture that the checkout makes: npx, require and import'
      : `is made on linux-x64 only in this test, not on ${process.platform}-${process.arch}`,
    () => {
      ensureDist()
      const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/release/short-proof.mjs'], {
        cwd: ROOT,
        encoding: 'utf8',
        timeout: LIMIT_MS,
      })
      if (status !== 0) throw new Error(`the proof ended with ${status}:\n${stdout}${stderr}`)
      const steps: Step[] = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
      expect(steps.filter(({ ok }) => !ok)).toEqual([])
      expect(steps.map(({ name }) => name)).toEqual([
        'npm: install',
        'npm: doctor',
        'npm: generate',
        'npm: require.cjs',
        'npm: import.mjs',
      ])
    },
    LIMIT_MS,
  )
})
