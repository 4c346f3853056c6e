'use strict'
// The package for the plots: one step of a stage at any size, as bench/peers/sized.py answers for the others.
// `new SizedOurs(…)`; run as a program it is the process that answers.

const readline = require('node:readline')
const { closeModel } = require('../../dist/memory/loaded-model')
const { volume } = require('../../dist/tensors/shape')
const { GUIDANCE_SCALE, advance, denoising, loadShallow } = require('./ours')
const { Worker } = require('./worker')

class SizedOurs extends Worker {
  constructor({ threads }) {
    super(process.execPath, [__filename, JSON.stringify({ threads, dtype: 'float32' })])
  }
}

/** Numbers of about unit deviation. Which ones does not matter to a time. */
const filler = (...shape) => {
  const data = new Float32Array(volume(shape))
  return { dtype: 'float32', shape, data: data.map((_, index) => Math.sin(index * 12.9898) * 1.4) }
}

const imageSize = (size) => Math.ceil((size * 24) / 1024)

const PARTS = {
  async prior(model, batch, size) {
    const condition = await model.prior.condition(await model.device.write(filler(1, 77, 1280)))
    const row = { ratio: 0.5, condition, negative: condition, guidanceScale: GUIDANCE_SCALE }
    const image = await denoising(model, 'prior', row, batch)
    const latents = await rows(model, batch, 16, imageSize(size))
    return () => advance(model.prior, image, latents)
  },
  async decoder(model, batch, size) {
    const { device } = model
    const embeddings = await device.write(filler(1, 16, imageSize(size), imageSize(size)))
    const latentSize = { latentHeight: size / 4, latentWidth: size / 4 }
    const text = await device.write(filler(1, 77, 1024))
    const condition = await model.decoder.condition(text, embeddings, latentSize)
    const row = { ratio: 0.5, condition, negative: null, guidanceScale: 0 }
    const image = await denoising(model, 'decoder', row, batch)
    const latents = await rows(model, batch, 4, size / 4)
    return () => advance(model.decoder, image, latents)
  },
  async vqgan(model, batch, size) {
    const latents = await rows(model, batch, 4, size / 4)
    return async () => {
      for (const one of latents) await model.vqgan.decode(one) // as the engine does
    }
  },
}

function rows({ device }, batch, channels, size) {
  return Promise.all(Array.from({ length: batch }, () => device.write(filler(1, channels, size, size))))
}

async function main([options]) {
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
  const model = await loadShallow(JSON.parse(options))
  say({ seconds: performance.now() / 1000 })
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { part, batch, size } = JSON.parse(line)
    const step = await PARTS[part](model, batch, size)
    const started = performance.now()
    await step()
    say({ milliseconds: performance.now() - started })
  }
  await closeModel(model)
}

if (require.main === module) main(process.argv.slice(2))

module.exports = { SizedOurs }
