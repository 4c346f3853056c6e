'use strict'
// npm run bench:offload — v2 at its full size in each offload mode: private and mapped memory while it loads and makes a
// picture, the time of the picture, and whether it is the same bit for bit. Each mode has a process of its own, their
// pictures take turns. Ends with 1 if a bar is missed. Linux: it reads /proc.

const { createHash } = require('node:crypto')
const fs = require('node:fs')
const { parseArgs } = require('node:util')
const { ensureFullSize } = require('./support/checkpoint')
const { Report } = require('./support/manual')
const { Package } = require('./support/package')
const { machine, median } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    dtype: { type: 'string', default: 'bfloat16' },
    size: { type: 'string', default: '512' },
    steps: { type: 'string', default: '4,3' },
    runs: { type: 'string', default: '3' },
    mode: { type: 'string', multiple: true, default: ['none', 'model', 'sequential'] },
    kernels: { type: 'string', default: 'auto' },
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})

const GB = 1e9
/** Private memory that a mode may take at most, and how much slower a picture may be, with v2 at 512x512. */
const BARS = { model: { anon: 3.5 * GB, slower: 1.05 }, sequential: { anon: 1.5 * GB } }
const SAMPLE_MS = 5

/** Follows a process: the largest private and mapped memory since `reset()`. */
class Watch {
  constructor(pid) {
    this.file = `/proc/${pid}/status`
    this.reset()
    this.timer = setInterval(() => this.sample(), SAMPLE_MS)
  }

  reset() {
    this.peak = { anon: 0, file: 0 }
  }

  sample() {
    try {
      const text = fs.readFileSync(this.file, 'utf8')
      const field = (name) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
      this.peak.anon = Math.max(this.peak.anon, field('RssAnon'))
      this.peak.file = Math.max(this.peak.file, field('RssFile'))
    } catch {
      clearInterval(this.timer) // the process is gone
    }
  }
}

async function start(folder, offload) {
  const worker = new Package(folder, { dtype: values.dtype, device: 'cpu', kernels: values.kernels, offload })
  const watch = new Watch(worker.process.pid)
  await worker.ready()
  return { offload, worker, watch, loading: { ...watch.peak }, peaks: [], seconds: [], pictures: new Set() }
}

async function picture(run, request) {
  run.watch.reset()
  const { images, seconds } = await run.worker.generate(request)
  run.watch.sample()
  run.peaks.push({ ...run.watch.peak })
  run.seconds.push(seconds)
  run.pictures.add(createHash('sha256').update(images[0].data).digest('hex'))
}

async function main() {
  const folder = values.model ?? ensureFullSize()
  const [priorSteps, decoderSteps] = values.steps.split(',').map(Number)
  const side = Number(values.size)
  const request = {
    prompt: 'a small yellow star left of a blue house',
    seed: 8,
    width: side,
    height: side,
    priorNumInferenceSteps: priorSteps,
    priorGuidanceScale: 4,
    numInferenceSteps: decoderSteps,
  }
  const runs = []
  for (const offload of values.mode) runs.push(await start(folder, offload))
  for (let round = 0; round <= Number(values.runs); round++) {
    for (const run of runs) await picture(run, request)
  }
  console.log(
    `${machine()}; ${values.dtype}, ${side}x${side}, ${priorSteps} + ${decoderSteps} steps, ${values.runs} turns after a first one`,
  )
  const report = new Report('offload', values)
  report.line(
    '| offload | private, loading, GB | private, peak, GB | mapped, peak, GB | first picture, s | later ones, s | of none |\n|---|---|---|---|---|---|---|',
  )
  const [base] = runs
  const missed = []
  for (const run of runs) {
    const [first, ...later] = run.seconds
    const most = (name) => Math.max(...run.peaks.map((peak) => peak[name]))
    const slower = median(run.seconds.slice(1).map((seconds, turn) => seconds / base.seconds[turn + 1]))
    const gb = (bytes) => (bytes / GB).toFixed(2)
    report.line(
      `| ${run.offload} | ${gb(run.loading.anon)} | ${gb(most('anon'))} | ${gb(most('file'))} | ${first.toFixed(1)} | ${later.length ? median(later).toFixed(1) : '-'} | ${later.length ? slower.toFixed(3) : '-'} |`,
    )
    const bar = BARS[run.offload]
    if (bar && most('anon') > bar.anon) missed.push(`${run.offload} takes ${gb(most('anon'))} GB`)
    if (bar?.slower && later.length && slower > bar.slower) missed.push(`${run.offload} is too slow`)
  }
  report.end()
  const pictures = new Set(runs.flatMap((run) => [...run.pictures]))
  console.log(`\n${pictures.size === 1 ? 'the same picture, bit for bit, every time' : 'PICTURES DIFFER'}`)
  if (pictures.size !== 1) missed.push('pictures differ')
  for (const what of missed) console.log(`missed: ${what}`)
  if (missed.length > 0) process.exitCode = 1
  for (const { worker, watch } of runs) {
    await worker.close()
    clearInterval(watch.timer)
  }
}

main()
