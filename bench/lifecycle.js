'use strict'
// npm run bench:lifecycle — ends processes that have a pipeline at work in every way we know, on several versions of Node,
// which it installs for the time (the npm package `node`). Ends with 1 if one crashed, hung, or ended otherwise.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { CASES, run } = require('./support/lifecycle')
const { Report } = require('./support/manual')
const { machine } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    versions: { type: 'string', default: '20,22,24,26' },
    /** Folder of earlier installations, kept. */
    nodes: { type: 'string' },
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})

/** Absolute path of a Node of that version, or why there is none. */
function install(version, folder) {
  const prefix = path.join(folder, version)
  const node = path.join(prefix, 'node_modules', '.bin', 'node')
  if (fs.existsSync(node)) return { node }
  const made = spawnSync(
    'npm',
    ['install', '--prefix', prefix, '--no-audit', '--no-fund', `node@${version}`],
    {
      encoding: 'utf8',
    },
  )
  return fs.existsSync(node)
    ? { node }
    : { refusal: (made.stderr || String(made.error)).trim().split('\n')[0] }
}

function main() {
  const folder = values.nodes ?? fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-nodes-'))
  console.log(machine())
  const report = new Report('lifecycle', values)
  report.line('| Node | ended as they should | slowest, s |\n|---|---|---|')
  let [ran, failed] = [0, 0]
  for (const version of values.versions.split(',')) {
    const { node, refusal } = install(version, folder)
    if (node === undefined) {
      console.log(`SKIPPED: Node ${version} could not be installed: ${refusal}`)
      continue
    }
    const full = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
    const results = CASES.map((one) => ({ name: one.name, ...run(node, one) }))
    const wrong = results.filter((result) => result.wrong !== null)
    const slowest = Math.max(...results.map(({ seconds }) => seconds))
    report.line(`| ${full} | ${results.length - wrong.length} of ${results.length} | ${slowest.toFixed(1)} |`)
    for (const { name, wrong: found } of wrong) console.log(`  WRONG: ${name}: ${JSON.stringify(found)}`)
    ran += results.length
    failed += wrong.length
  }
  if (values.nodes === undefined) fs.rmSync(folder, { recursive: true, force: true })
  report.end()
  if (ran === 0 || failed > 0) process.exitCode = 1
}

main()
