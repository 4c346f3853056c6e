'use strict'
// npm run bench:gpu — whole pictures on a GPU: seconds of one and pictures a second of a batch, with v2 at its full size
// (seeded random weights) in the dtype that 'auto' chooses there, without and with CUDA graphs; then the same picture in each
// offload mode, bit for bit, with the memory that the device holds; diffusers beside us on the same weights; and how far the
// bundled model's picture is from that of the CPU, in float32. Aims on an H200: 0.25 s for one of 1024x1024 with 29 + 12
// steps, 5 a second at 8. `--rows`: maxBatchRows of each row of the table.
//   --device cuda   --model FOLDER   --size 1024   --steps 29,12   --batches 1,8   --rows 8,32   --runs 5   --peer none
// Ends with 1 where there is no such device: nothing is measured in its place.

const { createHash } = require('node:crypto')
const { execFileSync } = require('node:child_process')
const { parseArgs } = require('node:util')
const { WuerstchenPipeline } = require('../dist')
const { ensureFullSize } = require('./support/checkpoint')
const { Reference, difference } = require('./support/reference')
const { machine, median, spread } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda' },
    model: { type: 'string' },
    size: { type: 'string', default: '1024' },
    steps: { type: 'string', default: '29,12' },
    batches: { type: 'string', default: '1,8' },
    rows: { type: 'string', default: '8' },
    runs: { type: 'string', default: '5' },
    peer: { type: 'string', default: 'diffusers' },
  },
})
const RUNS = Number(values.runs)
const PROMPT = 'a small yellow star left of a blue house'
const promptOf = (run) => `${PROMPT}, ${run}` // a text that nobody knows yet
const STAGES = ['priorMs', 'decoderMs', 'vqganMs']
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
async function measure(pipeline, request, count) {
  const times = []
  const stages = STAGES.map(() => [])
  let images = []
  for (let run = 0; run <= RUNS; run++) {
    const started = performance.now()
    const made = await pipeline.generate(Array(count).fill(promptOf(run)), request)
    images = made.images
    if (run === 0) continue
    times.push(performance.now() - started)
    for (const [index, name] of STAGES.entries()) stages[index].push(made.timings[0][name])
  }
  return { times, stages, picture: createHash('sha256').update(images[0].data).digest('hex') }
}

/** The same requests by diffusers, in the same dtype. */
async function measurePeer(folder, dtype, request, counts) {
  const peer = new Reference(folder, `${folder}-prior`, { dtype, device: values.device })
  await peer.ready()
  for (const count of counts) {
    const times = []
    for (let run = 0; run <= RUNS; run++) {
      const { seconds } = await peer.generate({
        ...request,
        prompt: promptOf(run),
        numImagesPerPrompt: count,
      })
      if (run > 0) times.push(1000 * seconds)
    }
    const rate = (1000 * count) / median(times)
    console.log(`| diffusers | - | - | ${count} | ${spread(times)} | - | ${rate.toFixed(2)} | ${held()} |`)
  }
  await peer.close()
}

/** The bundled model's picture in float32 beside the CPU's. */
async function compareWithCpu() {
  const pictures = []
  for (const device of [values.device, 'cpu']) {
    const pipeline = await WuerstchenPipeline.fromPretrained(undefined, { device, dtype: 'float32' })
    pictures.push((await pipeline.generate('a red circle on a blue background', { seed: 1 })).images[0])
    await pipeline.dispose()
  }
  const { largest, mean } = difference(...pictures)
  return `bundled model in float32, from the CPU's picture: ${largest} levels of 255 at most, ${mean.toFixed(4)} in the mean`
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
  const counts = values.batches.split(',').map(Number)
  // First, and it fails where there is no such device: writing the checkpoint takes minutes.
  console.log(await compareWithCpu())
  const folder = values.model ?? ensureFullSize()

  const pictures = new Set()
  let computed = 'bfloat16'
  for (const maxBatchRows of values.rows.split(',').map(Number)) {
    for (const [offload, cudaGraphs] of MODES) {
      const options = { device: values.device, offload, cudaGraphs, maxBatchRows }
      const pipeline = await WuerstchenPipeline.fromPretrained(folder, options)
      if (pictures.size === 0) {
        const { devices, dtype } = pipeline.info
        computed = dtype
        console.log(
          `${machine()}; ${devices.join()}, ${dtype}; ${side}x${side}, ${priorSteps} + ${decoderSteps} steps`,
        )
        console.log(`medians and ranges of ${RUNS} runs after a first one\n`)
        console.log(
          '| offload | CUDA graphs | rows | pictures at once | ms | C with texts, B, A | pictures a second | on the device, GB |\n|---|---|---|---|---|---|---|---|',
        )
      }
      for (const count of offload === 'none' ? counts : [1]) {
        const { times, stages, picture } = await measure(pipeline, request, count)
        const rate = (1000 * count) / median(times)
        const each = stages.map((one) => median(one).toFixed(0)).join(', ')
        console.log(
          `| ${offload} | ${graphsOf(pipeline.info)} | ${maxBatchRows} | ${count} | ${spread(times)} | ${each} | ${rate.toFixed(2)} | ${held()} |`,
        )
        if (count === 1) pictures.add(picture)
      }
      await pipeline.dispose()
    }
  }
  if (values.peer === 'diffusers') await measurePeer(folder, computed, request, counts)
  console.log(`\n${pictures.size === 1 ? 'the same picture in each mode, bit for bit' : 'PICTURES DIFFER'}`)
  if (pictures.size !== 1) process.exitCode = 1
}

main()
