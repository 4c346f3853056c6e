'use strict'
// Run under callgrind by bench/regression.js: two steps of each denoising stage of the bundled model and two pictures of
// Stage A, on one thread. callgrind counts what happens inside the native calls alone, and writes a dump after each.

const { loadPretrained } = require('../../dist/pretrained')

const NOTHING = { negative: null, guidanceScale: 0, noiseRow: 0, clean: null }
const LENGTH = 16 // tokens of the bundled model

async function denoise(model, stage, condition, shape) {
  const steps = model[stage].schedule([1, 0.5, 0])
  const { tensor: modulation } = await model[stage].modulation(steps)
  const noise = model.device.noise({ seed: 1, rows: 1, dtype: 'float32' })
  const latents = await model.device.drawLatents({ noise, noiseRow: 0, shape })
  const denoising = { ...NOTHING, latents, condition, modulation, steps, noise }
  for (let step = 0; step < 2; step++) await model[stage].advance([{ denoising, step, clean: false }])
  return latents
}

async function main() {
  const { model } = await loadPretrained(undefined, { threads: 1, device: 'cpu' })
  const tokens = {
    ids: Int32Array.from({ length: LENGTH }, (_, index) => index),
    mask: new Int32Array(LENGTH).fill(1),
  }
  const size = { latentHeight: 32, latentWidth: 32 }
  const text = await model.priorTextEncoder.encode(tokens)
  const image = await denoise(model, 'prior', await model.prior.condition(text), [model.priorChannels, 6, 6])
  const words = await model.decoderTextEncoder.encode(tokens)
  const condition = await model.decoder.condition(words, image, size)
  const latents = await denoise(model, 'decoder', condition, [
    model.latentChannels,
    size.latentHeight,
    size.latentWidth,
  ])
  for (let picture = 0; picture < 2; picture++) await model.vqgan.decode(latents)
  process.exit(0) // nothing is left to be counted, and closing takes valgrind a while
}

main()
