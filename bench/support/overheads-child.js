'use strict'
// A fresh process for the overheads: prints one line of JSON. Kinds: `start` (from the process's start to a ready
// pipeline) and `calls` (what crossing from JavaScript to the native thread costs, and what generating does to both).

const { monitorEventLoopDelay } = require('node:perf_hooks')
const { median } = require('./statistics')

const CAPTION = 'a red circle on a blue background'

async function start(options) {
  const beforeImport = performance.now()
  const { WuerstchenPipeline } = require('../../dist')
  const imported = performance.now()
  const pipeline = await WuerstchenPipeline.fromPretrained(undefined, { ...options, device: 'cpu' })
  const ready = performance.now() // counted from the process's start
  await pipeline.dispose()
  return { node: beforeImport, import: imported - beforeImport, load: ready - imported, ready }
}

async function timed(work) {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** The cheapest call there is: one number on the device's thread and back. */
async function emptyCall({ device }) {
  const number = await device.write({ dtype: 'float32', shape: [1, 1], data: Float32Array.of(1) })
  const times = []
  for (let index = 0; index < 3000; index++) {
    times.push(await timed(async () => (await device.affine(number, 1, 0)).dispose()))
  }
  return median(times.slice(1000))
}

/** Steps one by one against the same steps in one call: what each call of `advance` adds, from JavaScript and back. */
async function callOfAStep({ device, prior, priorTextEncoder }) {
  const STEPS = 16
  const ids = Int32Array.from({ length: 16 }, (_, index) => index)
  const text = await priorTextEncoder.encode({ ids, mask: ids.map(() => 1) })
  const condition = await prior.condition(text)
  const steps = prior.schedule(Array.from({ length: STEPS + 1 }, (_, index) => 1 - index / STEPS))
  const { tensor: modulation } = await prior.modulation(steps)
  const noise = device.noise({ seed: 1, rows: 1, dtype: 'float32' })
  const latents = await device.drawLatents({ noise, noiseRow: 0, shape: [16, 6, 6] })
  const advance = (firstStep, count) => {
    const chosen = steps.slice(firstStep, firstStep + count)
    const coefficients = Float32Array.from(chosen.flatMap((one) => [one.latents, one.prediction, one.noise]))
    const row = { latents, condition, negative: null, guidanceScale: 0, modulation, firstStep, coefficients }
    const rows = [{ ...row, noise, noiseRow: 0, clean: null }]
    return device.advance({ graph: prior.graph, steps: count, rows, rounding: 'float32' })
  }
  const together = []
  const apart = []
  for (let round = 0; round < 40; round++) {
    together.push(await timed(() => advance(0, STEPS)))
    apart.push(
      await timed(async () => {
        for (let step = 0; step < STEPS; step++) await advance(step, 1)
      }),
    )
  }
  const [one, many] = [median(together.slice(10)), median(apart.slice(10))]
  return { step: one / STEPS, call: (many - one) / (STEPS - 1) }
}

/** What pictures of the default size do to the event loop, and what their pixels take on this side. */
async function generating(pipeline) {
  const request = { seed: 7 }
  await pipeline.generate(CAPTION, request)
  const before = process.memoryUsage().arrayBuffers
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const kept = []
  for (let index = 0; index < 8; index++) kept.push(...(await pipeline.generate(CAPTION, request)).images)
  delay.disable()
  const pixels = kept.reduce((sum, { data }) => sum + data.length, 0)
  const copies = (process.memoryUsage().arrayBuffers - before) / pixels
  return { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6, copies }
}

async function calls(options) {
  const { closeModel } = require('../../dist/memory/loaded-model')
  const { loadPretrained } = require('../../dist/pipeline/pretrained')
  const { WuerstchenPipeline } = require('../../dist')
  const {
    models: [model],
  } = await loadPretrained(undefined, { ...options, device: 'cpu' })
  const found = { empty: await emptyCall(model), ...(await callOfAStep(model)) }
  await closeModel(model)
  const pipeline = await WuerstchenPipeline.fromPretrained(undefined, { ...options, device: 'cpu' })
  Object.assign(found, await generating(pipeline))
  await pipeline.dispose()
  return found
}

async function main([kind, options]) {
  console.log(JSON.stringify(await { start, calls }[kind](JSON.parse(options))))
}

main(process.argv.slice(2))
