'use strict'
// npm run bench:gpu — whole pictures on a GPU: seconds of one and pictures a second of a batch, with v2 at its full size
// (seeded random weights) in the dtype that 'auto' chooses there, without and with CUDA graphs; then the same picture in each
// offload mode, bit for bit, with the memory that the device holds. Aims on an H200: 0.25 s for one of 1024x1024 with
// 29 + 12 steps, 5 a second at 8.
//   --device cuda   --model FOLDER   --size 1024   --steps 29,12   --batches 1,8   --runs 5
// Ends with 1 where there is no such device: nothing is measured in its place.

const { createHash } = require('node:crypto')
const { execFileSync } = require('node:child_process')
const { parseArgs } = require('node:util')
const { WuerstchenPipeline } = require('../dist')
const { ensureFullSize } = require('./support/checkpoint')
const { machine, median, spread } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda' },
    model: { type: 'string' },
    size: { type: 'string', default: '1024' },
    steps: { type: 'string', default: '29,12' },
    batches: { type: 'string', default: '1,8' },
    runs: { type: 'string', default: '5' },
  },
})
const RUNS = Number(values.runs)
const PROMPT = 'a small yellow star left of a blue house'
const GB = 1e9
const MODES = [
  ['none', false],
  ['none', true],
  ['model', false],
  ['sequential', false],
]

/** What this process holds of the GPU, in GB, as its driver counts it; '-' on other devices. */
function held() {
  if (!values.device.startsWith('cuda')) return '-'
  const query = ['--query-compute-apps=pid,used_memory', '--format=csv,noheader,nounits']
  const text = execFileSync('nvidia-smi', query, { encoding: 'utf8' }).trim()
  const rows = text.split('\n').map((row) => row.split(',').map(Number))
  const ours = rows.filter(([pid]) => pid === process.pid)
  // In a container the driver has other numbers for processes: then it is whoever is there.
  const megabytes = (ours.length > 0 ? ours : rows).reduce((sum, [, used]) => sum + used, 0)
  return ((2 ** 20 * megabytes) / GB).toFixed(2)
}

/** How many were recorded and repeated, or why none. */
function graphsOf({ cudaGraphs }) {
  if (cudaGraphs === null) return '-'
  const { ignored, recorded, replayed } = cudaGraphs
  return ignored ?? `${recorded}, ${replayed} times`
}

/** Whole pictures, one after the other; the first, which warms all up, is not counted. */
async function measure(pipeline, request, prompts) {
  const times = []
  let images = []
  for (let run = 0; run <= RUNS; run++) {
    const started = performance.now()
    images = (await pipeline.generate(prompts, request)).images
    if (run > 0) times.push(performance.now() - started)
  }
  return { times, picture: createHash('sha256').update(images[0].data).digest('hex') }
}

async function main() {
  const [priorSteps, decoderSteps] = values.steps.split(',').map(Number)
  const side = Number(values.size)
  const request = {
    seed: 8,
    width: side,
    height: side,
    priorNumInferenceSteps: priorSteps,
    numInferenceSteps: decoderSteps,
  }
  // Asked for first: writing the checkpoint takes minutes.
  await (await WuerstchenPipeline.fromPretrained(undefined, { device: values.device })).dispose()
  const folder = values.model ?? ensureFullSize()

  const pictures = new Set()
  for (const [offload, cudaGraphs] of MODES) {
    const options = { device: values.device, offload, cudaGraphs }
    const pipeline = await WuerstchenPipeline.fromPretrained(folder, options)
    if (offload === 'none' && !cudaGraphs) {
      const { device, dtype } = pipeline.info
      console.log(`${machine()}; ${device}, ${dtype}; ${side}x${side}, ${priorSteps} + ${decoderSteps} steps`)
      console.log(`medians and ranges of ${RUNS} runs after a first one\n`)
      console.log(
        '| offload | CUDA graphs | pictures at once | ms | pictures a second | on the device, GB |\n|---|---|---|---|---|---|',
      )
    }
    for (const count of offload === 'none' ? values.batches.split(',').map(Number) : [1]) {
      const { times, picture } = await measure(pipeline, request, Array(count).fill(PROMPT))
      const rate = (1000 * count) / median(times)
      console.log(
        `| ${offload} | ${graphsOf(pipeline.info)} | ${count} | ${spread(times)} | ${rate.toFixed(2)} | ${held()} |`,
      )
      if (count === 1) pictures.add(picture)
    }
    await pipeline.dispose()
  }
  console.log(`\n${pictures.size === 1 ? 'the same picture in each mode, bit for bit' : 'PICTURES DIFFER'}`)
  if (pictures.size !== 1) process.exitCode = 1
}

main()
