'use strict'
// One picture in a process of its own: prints what `pipeline.memory()` predicts for it, and what the process took at most beyond
// its base. That is what it holds after a small picture of the bundled model on the same kernels, when that is disposed of: Node,
// libtorch, and what both keep once they have run. Where the machine has no room for what is predicted, or `only` is 'predicted',
// no picture is made and `taken` is missing. Linux: it reads /proc, and resets the peak there.

const fs = require('node:fs')
const { WuerstchenPipeline } = require('../../dist')

/** Bytes of a field of this process: `VmRSS` is held now, private and of files; `VmHWM` was the most since the last reset. */
function bytesOf(field) {
  const text = fs.readFileSync('/proc/self/status', 'utf8')
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
}

function takePeak() {
  const peak = bytesOf('VmHWM')
  fs.writeFileSync('/proc/self/clear_refs', '5') // proc(5): the peak begins again with what is held now
  return peak
}

/** What the system could give now without swapping. */
function available() {
  return 1024 * Number(/^MemAvailable:\s+(\d+)/m.exec(fs.readFileSync('/proc/meminfo', 'utf8'))?.[1])
}

const SMALL = { width: 128, height: 128, priorNumInferenceSteps: 1, numInferenceSteps: 1, seed: 1 }

async function base({ dtype, kernels, offload }) {
  const pipeline = await WuerstchenPipeline.fromPretrained(undefined, {
    device: 'cpu',
    dtype,
    kernels,
    offload,
  })
  await pipeline.generate('a red circle', SMALL)
  await pipeline.dispose()
  return bytesOf('VmRSS')
}

function print(found) {
  process.stdout.write(`${JSON.stringify(found)}\n`)
  process.exit(0) // freeing it all would only take time
}

/** Bytes that others keep in any case, and how far a prediction may be too small. */
const SPARE = 2e9
const APART = 1.25

async function main({ model, options, side, only }) {
  fs.writeFileSync('/proc/self/oom_score_adj', '1000') // if memory runs out, of all processes this one ends
  const before = only === 'predicted' ? 0 : await base(options)
  const pipeline = await WuerstchenPipeline.fromPretrained(model, { device: 'cpu', ...options })
  const request = {
    width: side,
    height: side,
    priorNumInferenceSteps: 1,
    numInferenceSteps: 1,
    priorGuidanceScale: 4,
    seed: 1,
  }
  const { stages } = pipeline.memory(request)
  const predicted = Object.fromEntries(Object.entries(stages).map(([stage, one]) => [stage, one.predicted]))
  if (only === 'predicted') print({ predicted })
  const needed = APART * Math.max(...Object.values(predicted)) + SPARE
  if (needed > available()) print({ predicted, available: available() })
  const taken = { loading: takePeak() - before }
  const onProgress = ({ stage }) => {
    taken[stage] = Math.max(taken[stage] ?? 0, takePeak() - before)
  }
  await pipeline.generate('a small yellow star', { ...request, onProgress })
  print({ predicted, taken })
}

main(JSON.parse(process.argv[2]))
