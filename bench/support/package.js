'use strict'
// The package as a worker: `new Package(folder, pipelineOptions)`; run as a program it is the worker itself.

const fs = require('node:fs')
const readline = require('node:readline')
const { ImageEmbeddings, WuerstchenPipeline } = require('../../dist')
const { Worker } = require('./worker')

class Package extends Worker {
  constructor(folder, options = {}, env = {}) {
    super(process.execPath, [__filename, folder, JSON.stringify(options)], {
      env: { ...process.env, ...env },
    })
  }
}

function writePictures(images, out) {
  fs.writeFileSync(out, Buffer.concat(images.map(({ data }) => data)))
  return { shape: [images.length, images[0].height, images[0].width, 3] }
}

async function answer(pipeline, { kind = 'generate', prompt, out, embeddings, ...options }) {
  if (kind === 'prior') {
    const [made] = (await pipeline.prior(prompt, options)).embeddings
    await made.toFile(out)
    return { shape: made.shape }
  }
  if (kind === 'decode') {
    const from = await ImageEmbeddings.fromFile(embeddings)
    return writePictures((await pipeline.decode(from, { prompt, ...options })).images, out)
  }
  return writePictures((await pipeline.generate(prompt, options)).images, out)
}

async function main([folder, options]) {
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
  const since = (started) => (performance.now() - started) / 1000
  const loading = performance.now()
  const pipeline = await WuerstchenPipeline.fromPretrained(folder, JSON.parse(options))
  say({ seconds: since(loading) })
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const started = performance.now()
    const made = await answer(pipeline, JSON.parse(line))
    say({ ...made, seconds: since(started) })
  }
  await pipeline.dispose()
}

if (require.main === module) main(process.argv.slice(2))

module.exports = { Package }
