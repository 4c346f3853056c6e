'use strict'
// npm run bench:soak — 1,000 mixed generations with 10% aborts, then 100 workers that load, generate and are terminated:
// memory must stop growing after the warm-up, and nothing may be left behind. Ends with 1 if either fails.

const path = require('node:path')
const { parseArgs } = require('node:util')
const { Worker } = require('node:worker_threads')
const { WuerstchenPipeline } = require('../dist')
const { ROOT } = require('./support/reference')
const { machine, median } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    generations: { type: 'string', default: '1000' },
    workers: { type: 'string', default: '100' },
    clients: { type: 'string', default: '6' },
  },
})
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

async function generations(count, clients) {
  const pipeline = await WuerstchenPipeline.fromPretrained(undefined, { device: 'cpu' })
  const before = process.getActiveResourcesInfo().length
  const samples = []
  const done = { finished: 0, aborted: 0 }
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
        if (!abort.signal.aborted) throw error
        done.aborted += 1
      }
      if (index % 10 === 0) samples.push(process.memoryUsage.rss())
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: clients }, client))
  const seconds = (performance.now() - started) / 1000
  const { waiting, running } = pipeline.statistics
  await pipeline.dispose()
  await new Promise((resolve) => setImmediate(resolve))
  const left = process.getActiveResourcesInfo().length - before
  return { ...done, seconds, grown: growth(samples), rss: median(samples), left: left + waiting + running }
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
    `${soak.finished} generations and ${soak.aborted} aborts in ${soak.seconds.toFixed(0)} s: RSS ${MB(soak.rss)} MB, grown by ${MB(soak.grown)} MB after the warm-up; ${soak.left} handles, images or timers left`,
  )
  const loop = await workers(Number(values.workers))
  console.log(
    `${values.workers} workers in ${loop.seconds.toFixed(0)} s: RSS ${MB(loop.rss)} MB, grown by ${MB(loop.grown)} MB after the warm-up`,
  )
  if (soak.left !== 0 || soak.grown > ALLOWED_GROWTH || loop.grown > ALLOWED_GROWTH) process.exitCode = 1
}

main()
