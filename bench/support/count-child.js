'use strict'
// Run under callgrind by bench/regression.js: two steps of one stage of the bundled model, on one thread. callgrind counts
// what happens inside the native calls alone, the second of which finds all made that is made once.

const { loadPretrained } = require('../../dist/pipeline/pretrained')
const { volume } = require('../../dist/tensors/shape')

const NOTHING = { negative: null, changes: [], guidanceScale: 0, noiseRow: 0, clean: null }
const LENGTH = 16 // tokens of the bundled model

async function denoise(model, stage, condition, shape) {
  const steps = model[stage].schedule([1, 0.5, 0])
  const { tensor: modulation } = await model[stage].modulation(steps)
  const noise = model.device.noise({ seed: 1, rows: 1, dtype: 'float32' })
  const latents = await model.device.drawLatents({ noise, noiseRow: 0, shape })
  const denoising = { ...NOTHING, latents, condition, modulation, steps, noise }
  for (let step = 0; step < 2; step++) await model[stage].advance([{ denoising, step, clean: false }])
}

const TOKENS = {
  ids: Int32Array.from({ length: LENGTH }, (_, index) => index),
  mask: new Int32Array(LENGTH).fill(1),
}
const zeros = (...shape) => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(volume(shape)),
})

const STAGES = {
  async prior(model) {
    const text = await model.priorTextEncoder.encode(TOKENS)
    await denoise(model, 'prior', await model.prior.condition(text), [model.priorChannels, 6, 6])
  },
  async decoder(model) {
    const text = await model.decoderTextEncoder.encode(TOKENS)
    const image = await model.device.write(zeros(1, model.priorChannels, 6, 6))
    const condition = await model.decoder.condition(text, image, { latentHeight: 32, latentWidth: 32 })
    await denoise(model, 'decoder', condition, [model.latentChannels, 32, 32])
  },
  async vqgan(model) {
    const latents = await model.device.write(zeros(1, model.latentChannels, 32, 32))
    for (let picture = 0; picture < 2; picture++) await model.vqgan.decode(latents)
  },
}

async function main() {
  const {
    models: [model],
  } = await loadPretrained(undefined, { threads: 1, device: 'cpu' })
  await STAGES[process.argv[2]](model)
  process.exit(0) // nothing is left to be counted, and closing takes valgrind a while
}

main()
