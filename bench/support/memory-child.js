'use strict'
// One picture in a process of its own: prints what `pipeline.memory()` predicts for it, and what the process took at most beyond
// its base. That is what it holds after a small picture of the bundled model on the same kernels, when that is disposed of: Node,
// libtorch, and what both keep once they have run. Linux: it reads /proc, and resets the peak there.

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

async function main({ model, options, side }) {
  const before = await base(options)
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
  const taken = { loading: takePeak() - before }
  const onProgress = ({ stage }) => {
    taken[stage] = Math.max(taken[stage] ?? 0, takePeak() - before)
  }
  await pipeline.generate('a small yellow star', { ...request, onProgress })
  process.stdout.write(`${JSON.stringify({ predicted, taken })}\n`)
  process.exit(0) // freeing it all would only take time
}

main(JSON.parse(process.argv[2]))
