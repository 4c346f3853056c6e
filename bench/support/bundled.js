'use strict'
// What `npm run bench` measures with the model that comes with the package: warm pictures, and the overheads around them.

const { spawnSync } = require('node:child_process')
const path = require('node:path')
const { contest } = require('./contest')
const { Package } = require('./package')
const { Reference, ROOT } = require('./reference')

const MODEL = path.join(ROOT, 'models', 'shapes')
const REQUEST = {
  prompt: 'a red circle on a blue background',
  seed: 7,
  width: 256,
  height: 256,
  priorNumInferenceSteps: 8,
  numInferenceSteps: 4,
  // Said, because the two have other defaults.
  priorGuidanceScale: 4,
  decoderGuidanceScale: 0,
}
const LEVEL = 1.01 / 200 // a picture may differ by one level; something in this one has 200 at least
// diffusers rounds the time of a step, too, in bfloat16, and makes another picture: only times are compared there.
const TOLERANCE = { float32: LEVEL, bfloat16: Number.POSITIVE_INFINITY }

/** A whole picture, asked for once more: all is loaded and warm. */
const PICTURE = {
  output: async (worker) => Float32Array.from((await worker.generate(REQUEST)).images[0].data),
  time: async (worker) => (await worker.generate(REQUEST)).seconds * 1000,
}

async function warmPicture({ threads, dtype, rounds }, log) {
  const starts = {
    eager: () => new Reference(MODEL, `${MODEL}-prior`, { threads, dtype }),
    wuerstchen: () => new Package(MODEL, { threads, dtype, device: 'cpu' }),
  }
  // It takes a third of a second, so more rounds cost little.
  const contenders = await contest(starts, {
    rounds: 3 * rounds,
    tolerance: () => TOLERANCE[dtype],
    log,
    task: PICTURE,
  })
  const steps = `${REQUEST.priorNumInferenceSteps} + ${REQUEST.numInferenceSteps} steps`
  return { stage: 'shapes', title: `Bundled model, a warm picture of 256x256, ${steps}`, contenders }
}

function child(kind, options) {
  const program = path.join(__dirname, 'overheads-child.js')
  const made = spawnSync(process.execPath, [program, kind, JSON.stringify(options)], { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`overheads-child.js ${kind} failed:\n${made.stderr}`)
  return JSON.parse(made.stdout)
}

function overheads({ threads }) {
  child('start', { threads }) // fills the page cache
  const start = Array.from({ length: 5 }, () => child('start', { threads }))
  return { stage: 'overheads', start, calls: child('calls', { threads }) }
}

module.exports = { overheads, warmPicture }
