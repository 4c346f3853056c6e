'use strict'
// npm run bench:captions [count] — how many pictures of the bundled model show what their captions say.
// Captions are held out of training; a program that knows the palette and the shapes is the judge.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { WuerstchenPipeline } = require('../dist')
const { PYTHON, ROOT } = require('./support/reference')
const { machine } = require('./support/statistics')

const COUNT = Number(process.argv[2] ?? 300)
const BATCH = 20

function python(...args) {
  return execFileSync(PYTHON, ['-m', 'scripts.bundled.benchmark', ...args.map(String)], {
    cwd: ROOT,
    encoding: 'utf8',
  })
}

async function main() {
  const pipeline = await WuerstchenPipeline.fromPretrained()
  console.log(`${machine()}; default steps, seed = number of the caption`)
  for (const kind of ['one', 'two']) {
    const captions = JSON.parse(python('list', kind, COUNT))
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-captions-'))
    const started = Date.now()
    for (let start = 0; start < captions.length; start += BATCH) {
      const batch = captions.slice(start, start + BATCH)
      const { images } = await pipeline.generate(batch, { seed: batch.map((_, index) => start + index) })
      await Promise.all(images.map((image, index) => image.toFile(path.join(folder, `${start + index}.png`))))
    }
    const seconds = (Date.now() - started) / 1000
    console.log(`\n${kind}-object captions: ${COUNT} pictures in ${seconds.toFixed(0)} s`)
    console.log(python('judge', kind, COUNT, folder))
    fs.rmSync(folder, { recursive: true })
  }
  await pipeline.dispose()
}

main()
