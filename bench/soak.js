'use strict'
// npm run bench:soak — 5,000 mixed generations with 10% aborts, changes of a LoRA, and memory that runs out again and again,
// then 100 workers that load, generate and are terminated: memory must stop growing after the warm-up, and nothing may be
// left behind. Ends with 1 if either fails.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { Worker } = require('node:worker_threads')
const { WuerstchenPipeline } = require('../dist')
const { ROOT } = require('./support/reference')
const { machine, median } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    generations: { type: 'string', default: '5000' },
    workers: { type: 'string', default: '100' },
    clients: { type: 'string', default: '6' },
  },
})
// Where a library of cpp/testing reads it; set before threads are there that read it.
process.env.WUERSTCHEN_TEST_SCARCE_BYTES = '0'
const SCARCE_BYTES = '200000' // what is larger cannot be had meanwhile
const SCARCE_MS = 30
const SIZES = [
  [256, 256],
  [192, 256],
  [128, 128],
  [320, 192],
]
const ALLOWED_GROWTH = 32e6 // bytes between the median of the second and of the last fifth of the samples

/** What a warmed-up process still gains: the median of the last fifth of the samples beyond that of the second. */
function growth(samples) {
  const fifth = Math.floor(samples.length / 5)
  return median(samples.slice(-fifth)) - median(samples.slice(fifth, 2 * fifth))
}

/** Opens the library that makes memory scarce: it takes the place of libtorch's allocator. */
async function openScarcity() {
  const { findEngines } = require('../dist/native/addons')
  const { loadRuntime } = require('../dist/native/binding')
  const { libraryName } = require('../dist/libtorch/libraries')
  const { planLoad } = require('../dist/loading/plan')
  const { openModel } = require('../dist/model/layout')
  const { addon } = loadRuntime()
  const plan = await planLoad(await openModel(path.join(ROOT, 'models', 'shapes')), [
    path.join(ROOT, 'graphs'),
  ])
  const { graph, weights } = plan.prior
  const device = addon.openDevice({ device: 'cpu', threads: 1 })
  const recorder = path.join(path.dirname(findEngines()[0].path), libraryName('scarcity'))
  const options = { graph: graph.path, weights, stored: 'float32', dtype: 'float32', kernels: null, recorder }
  const loaded = await device.load(options)
  loaded.dispose()
  await device.close()
}

/** A LoRA of the prior, small and visible. */
function writeLora() {
  const { encode } = require('../dist/embeddings/safetensors')
  const { readFileSync } = fs
  const manifest = JSON.parse(readFileSync(path.join(ROOT, 'graphs', 'shapes', 'manifest.json'), 'utf8'))
  const prior = manifest.graphs.find(({ component }) => component === 'prior')
  const tensors = {}
  for (const { name, shape } of prior.parameters) {
    if (shape.length !== 2 || !name.endsWith('.weight')) continue
    const part = (rows, columns) => ({
      shape: [rows, columns],
      data: Float32Array.from({ length: rows * columns }, (_, place) => 0.01 * Math.sin(place)),
    })
    const base = `prior.${name.slice(0, -'.weight'.length)}`
    tensors[`${base}.lora_A.weight`] = part(4, shape[1])
    tensors[`${base}.lora_B.weight`] = part(shape[0], 4)
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-soak-'))
  const file = path.join(folder, 'style.safetensors')
  fs.writeFileSync(file, encode(tensors, {}))
  return file
}

/** Loads the LoRA, scales it, removes it, and lets memory run out, for as long as `isOver()` is false. */
async function trouble(pipeline, lora, isOver) {
  const counts = { changes: 0, failed: 0, shortages: 0 }
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const change = (work) =>
    work().then(
      () => (counts.changes += 1),
      (error) => {
        if (error.code !== 'ERR_WUERSTCHEN_OUT_OF_MEMORY') throw error
        counts.failed += 1
      },
    )
  for (let turn = 0; !isOver(); turn++) {
    await wait(500)
    const scarce = turn % 2 === 0
    if (scarce) {
      process.env.WUERSTCHEN_TEST_SCARCE_BYTES = SCARCE_BYTES
      counts.shortages += 1
      setTimeout(() => {
        process.env.WUERSTCHEN_TEST_SCARCE_BYTES = '0'
      }, SCARCE_MS)
    }
    const loaded = pipeline.loras.length > 0
    if (turn % 5 === 0) await change(() => (loaded ? pipeline.unloadLora('style') : pipeline.loadLora(lora)))
    else if (turn % 5 === 2 && loaded) await change(() => pipeline.setLoraScales({ style: (turn % 7) / 4 }))
  }
  process.env.WUERSTCHEN_TEST_SCARCE_BYTES = '0'
  if (pipeline.loras.length > 0) await pipeline.unloadLora('style')
  return counts
}

async function generations(count, clients) {
  await openScarcity()
  const lora = writeLora()
  // Every prompt is another one: a cache of texts that is soon full does not look like a leak.
  const pipeline = await WuerstchenPipeline.fromPretrained(undefined, {
    device: 'cpu',
    promptCacheBytes: 2e6,
  })
  const before = process.getActiveResourcesInfo().length
  const samples = []
  const done = { finished: 0, aborted: 0, short: 0 }
  let next = 0
  const client = async () => {
    while (next < count) {
      const index = next++
      const [width, height] = SIZES[index % SIZES.length]
      const abort = new AbortController()
      const stopAt = index % 10 === 3 ? 1 + (index % 7) : Number.POSITIVE_INFINITY
      let steps = 0
      const onProgress = () => {
        steps += 1
        if (steps >= stopAt) abort.abort()
      }
      const options = { width, height, seed: index, signal: abort.signal, onProgress }
      try {
        await pipeline.generate(`a red circle ${index}`, {
          ...options,
          priorNumInferenceSteps: 3 + (index % 3),
          numInferenceSteps: 2 + (index % 3),
          numImagesPerPrompt: 1 + (index % 2),
        })
        done.finished += 1
      } catch (error) {
        if (error.code === 'ERR_WUERSTCHEN_OUT_OF_MEMORY') done.short += 1
        else if (abort.signal.aborted) done.aborted += 1
        else throw error
      }
      if (index % 10 === 0) samples.push(process.memoryUsage.rss())
    }
  }
  const started = performance.now()
  let over = false
  const troubled = trouble(pipeline, lora, () => over)
  await Promise.all(Array.from({ length: clients }, client))
  over = true
  const counts = await troubled
  const seconds = (performance.now() - started) / 1000
  const { waiting, running } = pipeline.statistics
  await pipeline.dispose()
  fs.rmSync(path.dirname(lora), { recursive: true })
  await new Promise((resolve) => setImmediate(resolve))
  const left = process.getActiveResourcesInfo().length - before
  return {
    ...done,
    ...counts,
    seconds,
    grown: growth(samples),
    rss: median(samples),
    left: left + waiting + running,
  }
}

const CODE = `
const { parentPort, workerData } = require('node:worker_threads')
const { WuerstchenPipeline } = require(workerData)
;(async () => {
  const pipeline = await WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu' })
  const quick = { width: 128, height: 128, priorNumInferenceSteps: 1, numInferenceSteps: 1, seed: 1 }
  const { images } = await pipeline.generate('a', quick)
  parentPort.postMessage(images[0].data.length)
  pipeline.generate('b', { ...quick, priorNumInferenceSteps: 1000 }) // under way when the end comes
})()
`

async function workers(count) {
  const samples = []
  const started = performance.now()
  for (let index = 0; index < count; index++) {
    const worker = new Worker(CODE, { eval: true, workerData: path.join(ROOT, 'dist') })
    await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await worker.terminate()
    samples.push(process.memoryUsage.rss())
  }
  return { seconds: (performance.now() - started) / 1000, grown: growth(samples), rss: median(samples) }
}

const MB = (bytes) => (bytes / 1e6).toFixed(0)

async function main() {
  console.log(machine())
  const soak = await generations(Number(values.generations), Number(values.clients))
  console.log(
    `${soak.finished} generations, ${soak.aborted} aborts and ${soak.short} that ran out of memory in ${soak.seconds.toFixed(0)} s, with ${soak.changes} changes of a LoRA (${soak.failed} more ran out of memory) and ${soak.shortages} shortages: RSS ${MB(soak.rss)} MB, grown by ${MB(soak.grown)} MB after the warm-up; ${soak.left} handles, images or timers left`,
  )
  const loop = await workers(Number(values.workers))
  console.log(
    `${values.workers} workers in ${loop.seconds.toFixed(0)} s: RSS ${MB(loop.rss)} MB, grown by ${MB(loop.grown)} MB after the warm-up`,
  )
  if (soak.left !== 0 || soak.grown > ALLOWED_GROWTH || loop.grown > ALLOWED_GROWTH) process.exitCode = 1
}

main()
