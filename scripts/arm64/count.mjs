/**
 * Instructions of a picture on arm64, by kind of kernels: `node scripts/arm64/count.mjs [KIND...]`, after
 * scripts/arm64/setup.mjs. A picture of two more steps less one of fewer, so that starting up does not count. On one thread,
 * as qemu's count of several is not exact.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { at } from '../tooling/places.mjs'
import { ARM64, ARM64_CHECKOUT, ARM64_NODE } from './places.mjs'

const KINDS = ['neon_bf16', 'neon_dotprod', 'neon', 'baseline']
const DTYPES = ['float32', 'bfloat16', 'int8']

function instructions(kind, dtype, steps) {
  const plugin = join(ARM64, 'count.so')
  const { status, stderr } = spawnSync(
    ARM64_NODE,
    [
      ...['dist/cli/main.js', 'generate', 'a red circle', '--seed', '7', '--threads', '1', '--dtype', dtype],
      ...['--steps', `${steps}`, '--decoder-steps', `${steps}`, '-o', join(ARM64, 'count.png')],
    ],
    {
      cwd: ARM64_CHECKOUT,
      encoding: 'utf8',
      env: { ...process.env, WUERSTCHEN_CPU: kind, QEMU_ARM64_OPTIONS: `-plugin file=${plugin}` },
    },
  )
  const counted = /^instructions (\d+)$/m.exec(stderr)
  if (status !== 0 || !counted) throw new Error(`${kind}, ${dtype} ended with ${status}:\n${stderr}`)
  return Number(counted[1])
}

function main() {
  const chosen = process.argv.slice(2)
  const source = at('scripts', 'arm64', 'count.c')
  execFileSync('cc', ['-shared', '-fPIC', '-O2', '-o', join(ARM64, 'count.so'), source])
  console.log('billions of instructions: a step of each stage at 256x256, and the whole picture of one')
  for (const kind of chosen.length > 0 ? chosen : KINDS) {
    for (const dtype of DTYPES) {
      if (kind === 'baseline' && dtype === 'int8') continue
      const one = instructions(kind, dtype, 1)
      const two = instructions(kind, dtype, 2)
      console.log(
        `${kind} ${dtype}: ${((two - one) / 1e9).toFixed(2)} a step, ${(one / 1e9).toFixed(2)} in all`,
      )
    }
  }
}

main()
