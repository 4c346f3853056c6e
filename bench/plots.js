'use strict'
// npm run bench:plots — speed against resolution and against batch size, as the Würstchen announcement plots it: here, in
// diffusers, and SDXL's networks at the same pixels. Writes docs/images/speed-by-*.svg, the
// table beside them in docs/benchmarks.md, and bench/results/plots.json.
//   --threads 2   --json FILE   --continue FILE: keeps what such a file holds and measures what it lacks
//   --from FILE: measures nothing, draws again what such a file holds
//
// A whole picture takes an hour of two cores, so none is made: a step of each network is timed and multiplied by the
// default number of steps. Würstchen's are of reduced depth (v2-shallow) and scaled by their arithmetic; SDXL's have its
// exact configs and random weights.

const fs = require('node:fs')
const path = require('node:path')
const { lineChart } = require('./support/chart')
const { undisturbed } = require('./support/load')
const { writeTable } = require('./support/manual')
const { readOptions } = require('./support/options')
const { HOME, PEERS_PYTHON, askOnce, ensureCheckpoint, ensureEnvironment } = require('./support/peers')
const { ROOT } = require('./support/reference')
const { SizedOurs } = require('./support/sized-ours')
const { machine } = require('./support/statistics')
const { table } = require('./support/tables')
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
  { name: 'diffusers, SDXL', calls: SDXL, batches: [1, 2], start: (options) => python('sdxl', options) },
]

const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'))
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

/** Adds the points that a model lacks; `save` is called after each, for such a run is long. */
async function measureModel({ calls, start, ...model }, known, options, save) {
  const isKnown = ({ size, batch }) => known.points.some((one) => one.size === size && one.batch === batch)
  const missing = pointsOf(model).filter((point) => !isKnown(point))
  if (missing.length === 0) return
  const worker = await start(options).ready()
  for (const part of Object.keys(calls)) await worker.ask({ part, batch: 1, size: 256 }) // warm
  for (const point of missing) {
    const measured = await measurePoint(worker, calls, point)
    known.points.push(measured)
    known.points.sort((a, b) => a.size - b.size || a.batch - b.batch)
    save()
    log(
      `${known.name}, ${point.batch} of ${point.size}x${point.size}: ${JSON.stringify(measured.milliseconds)}`,
    )
  }
  await worker.close()
}

function write(file, measured) {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, `${JSON.stringify(measured, null, 1)}\n`)
}

async function measure(options) {
  ensureEnvironment()
  ensureCheckpoint()
  const measured = fs.existsSync(options.continue) ? read(options.continue) : { models: [] }
  const { threads } = options
  const depth = askOnce('flops', '--sizes', SIZES.join())
  Object.assign(measured, { machine: machine(), date: new Date().toISOString().slice(0, 10), threads, depth })
  for (const { name, calls, ...model } of MODELS) {
    let known = measured.models.find((one) => one.name === name)
    if (known === undefined) {
      known = { name, calls, points: [] }
      measured.models.push(known)
    }
    await measureModel({ calls, ...model }, known, options, () => write(options.json, measured))
  }
  return measured
}

/** Seconds of a batch of whole pictures: steps times calls, the reduced depth scaled by its arithmetic. */
function seconds({ size, milliseconds }, calls, depth) {
  const parts = Object.entries(calls).map(
    ([part, count]) => count * milliseconds[part] * (depth[size][part] ?? 1),
  )
  return parts.reduce((sum, part) => sum + part, 0) / 1000
}

/** One row a point, one column a model; a model was not measured at every point. */
function tableOf({ models, depth, machine: where, date }) {
  const points = pointsOf({ batches: BATCHES })
  const rows = points.map(({ size, batch }) => {
    const cells = models.map(({ calls, points: known }) => {
      const found = known.find((one) => one.size === size && one.batch === batch)
      return found === undefined ? 'not measured' : seconds(found, calls, depth).toFixed(0)
    })
    return [batch === 1 ? `${size}x${size}` : `${batch} of ${size}x${size}`, ...cells]
  })
  return `${date}, ${where}.\n\n${table(['seconds', ...models.map(({ name }) => name)], rows)}`
}

/** The lines of one plot: `keep` chooses its points, `at` says where on the x axis each stands. */
function linesOf({ models, depth }, keep, at) {
  return models.map(({ name, calls, points }) => ({
    name,
    points: points.filter(keep).map((point) => [at(point), seconds(point, calls, depth)]),
  }))
}

function charts(measured) {
  const note = `Extrapolated from single steps: 29 + 12 steps, depth scaled by arithmetic; SDXL: 50 steps, random weights. float32.`
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
  const options = readOptions(process.argv.slice(2), { json }, { from: '', continue: '' })
  const measured = options.from ? read(options.from) : await measure(options)
  for (const [name, svg] of Object.entries(charts(measured))) {
    const file = path.join(ROOT, 'docs', 'images', `${name}.svg`)
    fs.writeFileSync(file, svg)
    console.log(path.relative(ROOT, file))
  }
  writeTable('plots', tableOf(measured))
}

main()
