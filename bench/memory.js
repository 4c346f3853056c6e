'use strict'
// npm run bench:memory — what `pipeline.memory()` predicts for a picture beside what the process then took at most, beyond what
// Node and libtorch take: v2 at its full size, for each kind of kernels, offload and dtype, one process each. Ends with 1 where
// the prediction is below the measured peak, or above 1.25 times of it. Linux: it reads /proc.
//
// A picture of 4096x4096 takes minutes a step: sizes that are left out are named at the end.

const fs = require('node:fs')
const { spawn } = require('node:child_process')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { ensureFullSize } = require('./support/checkpoint')
const { machine } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    graphs: { type: 'string' },
    size: { type: 'string', multiple: true, default: ['512', '1024', '2048'] },
    kernels: { type: 'string', multiple: true, default: ['packed', 'mapped', 'off'] },
    offload: { type: 'string', multiple: true, default: ['none', 'model', 'sequential'] },
    dtype: { type: 'string', multiple: true, default: ['bfloat16', 'float32'] },
    patience: { type: 'string', default: '280' }, // seconds for one picture
    child: { type: 'string' },
  },
})
const ALL_SIZES = ['512', '1024', '1536', '2048', '3072', '4096']
const [LOW, HIGH] = [1, 1.25]
const SAMPLE_MS = 5

/** Bytes of memory that a process holds, private and of files. */
function residentBytes(pid) {
  const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return field('RssAnon') + field('RssFile')
}

/** One picture in a process of its own: its base is what is held once libtorch is there. */
async function child({ model, options, side }) {
  const { WuerstchenPipeline } = require('../dist')
  const { loadRuntime } = require('../dist/native/binding')
  loadRuntime({}).addon.openDevice({ device: 'cpu', threads: 1 })
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
  say({ base: residentBytes('self') })
  const pipeline = await WuerstchenPipeline.fromPretrained(model, { device: 'cpu', ...options })
  const request = {
    width: side,
    height: side,
    priorNumInferenceSteps: 1,
    numInferenceSteps: 1,
    priorGuidanceScale: 4,
    seed: 1,
  }
  const { predicted } = pipeline.memory(request)
  await pipeline.generate('a small yellow star', request)
  say({ predicted, peak: pipeline.memory(request).peak })
  process.exit(0)
}

function measure(task) {
  return new Promise((resolve) => {
    const args = [path.join(__dirname, 'memory.js'), '--child', JSON.stringify(task)]
    const worker = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const found = { most: 0 }
    const sample = setInterval(() => {
      try {
        found.most = Math.max(found.most, residentBytes(worker.pid))
      } catch {} // the process is gone
    }, SAMPLE_MS)
    const patience = setTimeout(() => worker.kill('SIGKILL'), 1000 * Number(values.patience))
    let text = ''
    worker.stdout.on('data', (data) => {
      text += data
    })
    worker.on('close', (code, signal) => {
      clearInterval(sample)
      clearTimeout(patience)
      for (const line of text.split('\n').filter(Boolean)) Object.assign(found, JSON.parse(line))
      resolve(found.predicted === undefined ? { failed: signal ?? code } : found)
    })
  })
}

async function main() {
  const model = values.model ?? ensureFullSize()
  const gb = (bytes) => (bytes / 1e9).toFixed(2)
  const skipped = ALL_SIZES.filter((size) => !values.size.includes(size)).map((size) => `${size}x${size}`)
  const missed = []
  console.log(
    `${machine()}\n\n| dtype | kernels | offload | picture | predicted, GB | process, GB | of it | tensors and weights, GB |\n|---|---|---|---|---|---|---|---|`,
  )
  for (const dtype of values.dtype)
    for (const kernels of values.kernels)
      for (const offload of values.offload)
        for (const size of values.size) {
          const options = { dtype, kernels, offload, ...(values.graphs && { graphs: values.graphs }) }
          const what = `| ${dtype} | ${kernels} | ${offload} | ${size}x${size} |`
          const found = await measure({ model, options, side: Number(size) })
          if (found.failed !== undefined) {
            skipped.push(`${what} (ended with ${found.failed})`)
            continue
          }
          const taken = found.most - found.base
          const ratio = found.predicted / taken
          console.log(
            `${what} ${gb(found.predicted)} | ${gb(taken)} | ${ratio.toFixed(2)} | ${gb(found.peak)} |`,
          )
          if (ratio < LOW || ratio > HIGH) missed.push(`${what} ${ratio.toFixed(2)}`)
        }
  if (skipped.length > 0) console.log(`\nNOT MEASURED: ${skipped.join(', ')}`)
  for (const what of missed) console.log(`missed: ${what}`)
  if (missed.length > 0) process.exitCode = 1
}

if (values.child) child(JSON.parse(values.child))
else main()
