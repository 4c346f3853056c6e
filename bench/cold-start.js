'use strict'
// npm run bench:cold-start [RUNS] — from starting the process to a PNG on disk: the bundled model here and in diffusers.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { Report } = require('./support/manual')
const { ROOT } = require('./support/reference')
const { machine, median, spread } = require('./support/statistics')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})
const RUNS = Number(positionals[0] ?? 5)
const CAPTION = 'a red circle on a blue background'
const MODEL = path.join(ROOT, 'models', 'shapes')

function time(command, args, out) {
  const started = process.hrtime.bigint()
  const run = spawnSync(command, [...args, out], { cwd: ROOT, encoding: 'utf8' })
  const milliseconds = Number(process.hrtime.bigint() - started) / 1e6
  if (run.status !== 0) throw new Error(`${command} failed:\n${run.stderr}`)
  if (!fs.existsSync(out)) throw new Error(`${command} wrote no picture`)
  fs.rmSync(out)
  return milliseconds
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-cold-'))
const out = path.join(folder, 'picture.png')
const cli = path.join(ROOT, 'dist', 'cli', 'main.js')
const python = path.join(ROOT, '.venv', 'bin', 'python')
const competitors = {
  wuerstchen: () => time(process.execPath, [cli, 'generate', CAPTION, '--seed', '7', '--quiet', '-o'], out),
  diffusers: () => time(python, ['-m', 'scripts.diffusers_once', MODEL, CAPTION], out),
}
const times = { wuerstchen: [], diffusers: [] }
for (const run of Object.values(competitors)) run() // fills the page cache for both
for (let index = 0; index < RUNS; index++) {
  for (const [name, run] of Object.entries(competitors)) times[name].push(run())
}
fs.rmSync(folder, { recursive: true })

console.log(`${machine()}; ${RUNS} interleaved runs, default steps`)
const report = new Report('cold-start', values)
report.line('| process start to PNG on disk | median (range), ms |')
report.line('|---|---|')
for (const [name, all] of Object.entries(times)) report.line(`| ${name} | ${spread(all)} |`)
report.line(`| ratio | ${(median(times.diffusers) / median(times.wuerstchen)).toFixed(1)}x |`)
report.end()
