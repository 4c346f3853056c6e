/**
 * The tests on arm64, under qemu: `node scripts/arm64/test.mjs [SUITE...]`, after scripts/arm64/setup.mjs. By default
 * doctor and a picture (test/arm64), then the suites unit and native inside qemu. The last line is
 * `N passed, N failed, N skipped`.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { at } from '../tooling/places.mjs'
import { ARM64_CHECKOUT, ARM64_NODE } from './places.mjs'

// Under qemu everything takes ten times and more as long.
const TIMEOUT_MS = 1_800_000
const SUITES = ['arm64', 'native']

async function main() {
  const chosen = process.argv.slice(2)
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const suite of chosen.length > 0 ? chosen : SUITES) {
    const started = Date.now()
    const result = await runJest(suite)
    console.log(`${suite}: ${((Date.now() - started) / 1000).toFixed(0)} s`)
    for (const key of Object.keys(total)) total[key] += result[key]
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  if (total.failed > 0 || total.passed === 0) process.exitCode = 1
}

/** The suite arm64 runs here and starts qemu itself; the others run inside. */
async function runJest(suite) {
  const inside = suite !== 'arm64'
  const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-arm64-'))
  const file = join(folder, 'jest.json')
  const root = inside ? ARM64_CHECKOUT : at()
  try {
    const code = await spawned(
      inside ? ARM64_NODE : process.execPath,
      [
        ...[
          '--expose-gc',
          join(root, 'node_modules/jest/bin/jest.js'),
          '--selectProjects',
          suite,
          '--runInBand',
        ],
        ...['--json', `--outputFile=${file}`, `--testTimeout=${TIMEOUT_MS}`],
        ...(inside ? leftOutUnderQemu() : []),
      ],
      root,
    )
    if (!existsSync(file)) throw new Error(`jest (${suite}) ended with ${code} without results`)
    const report = JSON.parse(readFileSync(file, 'utf8'))
    const broken = report.testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && assertionResults.every((one) => one.status !== 'failed'),
    )
    for (const { name, message } of broken) console.error(`${relative(root, name)} could not run: ${message}`)
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests + broken.length,
      skipped: report.numPendingTests,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Tests of this machine's tools and speed rather than of the addons. */
function leftOutUnderQemu() {
  const files = {
    release: 'builds for this machine',
    export: "runs this machine's Python on what arm64's exported",
    compiled: "compiles with this machine's compiler",
    'device-thread': 'needs libraries of tests, which a portable build lacks',
    rebind: 'needs libraries of tests, which a portable build lacks',
    interrupts: 'says how soon work ends, and qemu is a hundred times slower',
  }
  for (const [name, reason] of Object.entries(files))
    console.log(`SKIPPED: test/native/${name}.test.ts: ${reason}`)
  return ['--testPathIgnorePatterns', ...Object.keys(files).map((name) => `/native/${name}\\.test`)]
}

const spawned = (command, args, cwd) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit' })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(signal ?? code))
  })

await main().catch((error) => {
  console.error(`arm64: ${error.message}`)
  process.exitCode = 1
})
