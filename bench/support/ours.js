'use strict'
// The package as a contender on one stage, in a process of its own: `new Ours(stage, …)`; run as a program it is that
// process. It answers as bench/peers/worker.py does: `{"out": FILE}` computes a step and writes what it gave; `{}` tells
// how many milliseconds a step took, from the call in JavaScript to its promise.

const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const { closeModel } = require('../../dist/memory/loaded-model')
const { loadPretrained } = require('../../dist/pipeline/pretrained')
const { HOME } = require('./peers')
const { decodeTensors } = require('./tensors')
const { Worker } = require('./worker')

const NAME = 'v2-shallow'
const GUIDANCE_SCALE = 4 // as in bench/peers/stages.py

/** What each variant loads otherwise. */
const VARIANTS = { compiled: { kernels: 'off' }, int8: { dtype: 'int8' } }

class Ours extends Worker {
  constructor(stage, { threads, dtype }, variant = null) {
    const settings = { threads, dtype, ratioOf: dtype, ...VARIANTS[variant] } // it gets the ratio that its peers get
    super(process.execPath, [__filename, stage, JSON.stringify(settings)])
  }
}

/** A step that leaves the prediction itself: what contenders are compared by. */
const PREDICTION = { latents: 0, prediction: 1, noise: 0, clean: { latents: 0, prediction: 1 } }

const rowOf = ({ shape, data }, row) => {
  const size = data.length / shape[0]
  const values = data.subarray(row * size, (row + 1) * size)
  return { dtype: 'float32', shape: [1, ...shape.slice(1)], data: values }
}

/** `ratio` is 0 in bfloat16, as in bench/peers/stages.py. */
function inputsOf(stage, dtype) {
  const tensors = decodeTensors(fs.readFileSync(path.join(HOME, 'inputs.safetensors')), { shapes: true })
  const input = (name, row = 0) => rowOf(tensors[`${stage}.${name}`], row)
  return { input, ratio: dtype === 'bfloat16' ? 0 : tensors.ratio.data[0] }
}

/** Everything but the latents that a step of one image needs, with what a picture computes once already there. */
async function denoising(model, stage, { ratio, condition, negative, guidanceScale }, images = 1) {
  const steps = [{ ratio, ...PREDICTION }]
  const { tensor: modulation } = await model[stage].modulation(steps)
  const noise = model.device.noise({ seed: 1, rows: images, dtype: 'float32' })
  return { condition, negative, changes: [], guidanceScale, modulation, steps, noise, clean: null }
}

/** One call of `advance` with images that share all but their latents. */
const advance = (stage, image, latents) =>
  stage.advance(
    latents.map((one, noiseRow) => ({
      denoising: { ...image, latents: one, noiseRow },
      step: 0,
      clean: false,
    })),
  )

/** Stage C and B: a step of one image. */
async function denoiser({ model, stage, input, ratio }, conditions) {
  const image = await denoising(model, stage, { ratio, ...conditions })
  return {
    prepare: () => model.device.write(input('latents')),
    run: (latents) => advance(model[stage], image, [latents]),
    result: async (latents) => (await model.device.read(latents)).data,
  }
}

const STAGES = {
  async prior(setting) {
    const { model, input } = setting
    const text = (row) => model.device.write(input('text', row))
    const [positive, negative] = [
      await model.prior.condition(await text(0)),
      await model.prior.condition(await text(1)),
    ]
    return denoiser(setting, { condition: positive, negative, guidanceScale: GUIDANCE_SCALE })
  },
  async decoder(setting) {
    const { model, input } = setting
    const [text, image] = [await model.device.write(input('text')), await model.device.write(input('image'))]
    const [, , latentHeight, latentWidth] = input('latents').shape
    const condition = await model.decoder.condition(text, image, { latentHeight, latentWidth })
    return denoiser(setting, { condition, negative: null, guidanceScale: 0 })
  },
  async vqgan({ model, input }) {
    let pixels
    return {
      prepare: () => model.device.write(input('latents')),
      async run(latents) {
        pixels = await model.vqgan.decode(latents)
      },
      result: () => planar(pixels),
    }
  },
}

/** 8-bit rows of RGB as floats in [0, 1], channel after channel, as the peers leave them. */
function planar({ data, width, height }) {
  const size = width * height
  return Float32Array.from({ length: 3 * size }, (_, index) => {
    const [channel, place] = [Math.floor(index / size), index % size]
    return data[3 * place + channel] / 255
  })
}

async function answer({ prepare, run, result }, { out }) {
  const input = await prepare()
  const started = performance.now()
  await run(input)
  const milliseconds = performance.now() - started
  if (out) fs.writeFileSync(out, Buffer.from((await result(input)).buffer))
  input.dispose()
  return { milliseconds }
}

/** The checkpoint that all contenders share. */
async function loadShallow(options) {
  const graphs = path.join(HOME, 'graphs', NAME)
  return (await loadPretrained(path.join(HOME, NAME), { ...options, device: 'cpu', graphs })).models[0]
}

async function main([stage, options]) {
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
  const started = performance.now()
  const { ratioOf, ...rest } = JSON.parse(options)
  const model = await loadShallow(rest)
  const step = await STAGES[stage]({ model, stage, ...inputsOf(stage, ratioOf) })
  say({ seconds: (performance.now() - started) / 1000 })
  for await (const line of readline.createInterface({ input: process.stdin })) {
    say(await answer(step, JSON.parse(line)))
  }
  await closeModel(model)
}

if (require.main === module) main(process.argv.slice(2))

module.exports = { GUIDANCE_SCALE, Ours, STAGES, advance, answer, denoising, inputsOf, loadShallow }
