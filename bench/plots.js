'use strict'
// npm run bench:plots — speed against resolution and against batch size, as the Würstchen announcement plots it: here, in
// diffusers, and SDXL's networks at the same pixels. Writes docs/images/speed-by-*.svg and bench/results/plots.json.
//   --threads 2   --json FILE   --from FILE: draws again what such a file holds, without measuring
//
// A whole picture takes an hour of two cores, so none is made: a step of each network is timed and multiplied by the
// default number of steps. Würstchen's are of reduced depth (v2-shallow) and scaled by their arithmetic; SDXL's have its
// exact configs and random weights.

const fs = require('node:fs')
const path = require('node:path')
const { lineChart } = require('./support/chart')
const { undisturbed } = require('./support/load')
const { readOptions } = require('./support/options')
const { HOME, PEERS_PYTHON, askOnce, ensureCheckpoint, ensureEnvironment } = require('./support/peers')
const { ROOT } = require('./support/reference')
const { SizedOurs } = require('./support/sized-ours')
const { machine } = require('./support/statistics')
const { Worker } = require('./support/worker')

const SIZES = [512, 768, 1024]
const BATCHES = [1, 2, 4]
const BATCH_SIZE = 512 // pixels, of the pictures in a batch
const WUERSTCHEN = { prior: 29, decoder: 12, vqgan: 1 } // calls of each network for a picture, by default
const SDXL = { unet: 50, vae: 1 }

const python = (model, { threads }) =>
  new Worker(PEERS_PYTHON, ['-m', 'bench.peers.sized', model, HOME, '--threads', String(threads)], {
    cwd: ROOT,
  })

const MODELS = [
  { name: 'wuerstchen', calls: WUERSTCHEN, batches: BATCHES, start: (options) => new SizedOurs(options) },
  {
    name: 'diffusers',
    calls: WUERSTCHEN,
    batches: BATCHES,
    start: (options) => python('wuerstchen', options),
  },
  { name: 'SDXL', calls: SDXL, batches: [1, 2], start: (options) => python('sdxl', options) },
]

const log = (text) => console.error(`${new Date().toTimeString().slice(0, 8)} ${text}`)

/** Every point of both plots, each once. */
const pointsOf = ({ batches }) => [
  ...SIZES.map((size) => ({ size, batch: 1 })),
  ...batches.filter((batch) => batch > 1).map((batch) => ({ size: BATCH_SIZE, batch })),
]

/** Milliseconds of one call of each network at one point. */
async function measurePoint(worker, calls, point) {
  const milliseconds = {}
  for (const part of Object.keys(calls)) {
    const { result } = await undisturbed(worker.process.pid, () => worker.ask({ part, ...point }))
    milliseconds[part] = result.milliseconds
  }
  return { ...point, milliseconds }
}

async function measureModel({ name, calls, start, ...model }, options) {
  const worker = await start(options).ready()
  for (const part of Object.keys(calls)) await worker.ask({ part, batch: 1, size: 256 }) // warm
  const points = []
  for (const point of pointsOf(model)) {
    points.push(await measurePoint(worker, calls, point))
    log(
      `${name}, ${point.batch} of ${point.size}x${point.size}: ${JSON.stringify(points.at(-1).milliseconds)}`,
    )
  }
  await worker.close()
  return { name, calls, points }
}

async function measure(options) {
  ensureEnvironment()
  ensureCheckpoint()
  const depth = askOnce('flops', '--sizes', SIZES.join())
  const models = []
  for (const model of MODELS) models.push(await measureModel(model, options))
  return {
    machine: machine(),
    date: new Date().toISOString().slice(0, 10),
    threads: options.threads,
    depth,
    models,
  }
}

/** Seconds of a batch of whole pictures: steps times calls, the reduced depth scaled by its arithmetic. */
function seconds({ size, milliseconds }, calls, depth) {
  const parts = Object.entries(calls).map(
    ([part, count]) => count * milliseconds[part] * (depth[size][part] ?? 1),
  )
  return parts.reduce((sum, part) => sum + part, 0) / 1000
}

/** The lines of one plot: `keep` chooses its points, `at` says where on the x axis each stands. */
function linesOf({ models, depth }, keep, at) {
  return models.map(({ name, calls, points }) => ({
    name,
    points: points.filter(keep).map((point) => [at(point), seconds(point, calls, depth)]),
  }))
}

function charts(measured) {
  const note = `Extrapolated from single steps, float32, ${measured.threads} threads: 29 + 12 steps, depth scaled by arithmetic; SDXL 50 steps, random weights.`
  return {
    'speed-by-size': lineChart({
      title: 'Seconds for one picture, by resolution',
      note,
      ticks: SIZES,
      xLabel: 'pixels, width = height',
      yLabel: 'seconds',
      lines: linesOf(
        measured,
        ({ batch }) => batch === 1,
        ({ size }) => size,
      ),
    }),
    'speed-by-batch': lineChart({
      title: `Seconds for a batch of ${BATCH_SIZE}x${BATCH_SIZE}, by batch size`,
      note,
      ticks: BATCHES,
      xLabel: 'pictures in the batch',
      yLabel: 'seconds',
      lines: linesOf(
        measured,
        ({ size }) => size === BATCH_SIZE,
        ({ batch }) => batch,
      ),
    }),
  }
}

async function main() {
  const json = path.join(ROOT, 'bench', 'results', 'plots.json')
  const options = readOptions(process.argv.slice(2), { json }, { from: '' })
  const measured = options.from ? JSON.parse(fs.readFileSync(options.from, 'utf8')) : await measure(options)
  if (!options.from) {
    fs.mkdirSync(path.dirname(options.json), { recursive: true })
    fs.writeFileSync(options.json, `${JSON.stringify(measured, null, 1)}\n`)
  }
  for (const [name, svg] of Object.entries(charts(measured))) {
    const file = path.join(ROOT, 'docs', 'images', `${name}.svg`)
    fs.writeFileSync(file, svg)
    console.log(path.relative(ROOT, file))
  }
}

main()
