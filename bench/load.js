'use strict'
// npm run bench:load [FOLDER ...] — how long a model takes to load, what it holds, and what a second process with the same
// model adds, with packed weights of its own and with shared ones. diffusers beside it loads the same folders, component by
// component. Linux: it reads /proc.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { volume } = require('../dist/tensors/shape')
const { Report } = require('./support/manual')
const { Package } = require('./support/package')
const { ROOT, Reference } = require('./support/reference')
const { machine, median } = require('./support/statistics')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    dtype: { type: 'string', multiple: true, default: ['float32'] },
    steps: { type: 'string', default: '2' }, // of each stage, in the one picture that touches every weight
    size: { type: 'string', default: '256' },
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})
const RUNS = Number(values.runs)
const folders = positionals.length > 0 ? positionals : [path.join(ROOT, 'models', 'shapes')]

const MB = (bytes) => (bytes / 1e6).toFixed(0)
const range = (numbers, text) =>
  `${text(median(numbers))} (${text(Math.min(...numbers))}–${text(Math.max(...numbers))})`

/** Bytes of the weights as this dtype holds them. */
function weightBytes(folder, dtype) {
  let values = 0
  for (const one of [folder, `${folder}-prior`]) {
    for (const file of fs.readdirSync(one, { recursive: true })) {
      if (!file.endsWith('.safetensors') || file.includes('semantic_encoder')) continue
      values += valuesIn(path.join(one, file))
    }
  }
  return values * (dtype === 'float32' ? 4 : 2)
}

function valuesIn(file) {
  const descriptor = fs.openSync(file)
  const length = Buffer.alloc(8)
  fs.readSync(descriptor, length, 0, 8, 0)
  const header = Buffer.alloc(Number(length.readBigUInt64LE()))
  fs.readSync(descriptor, header, 0, header.length, 8)
  fs.closeSync(descriptor)
  const { __metadata__: _, ...tensors } = JSON.parse(header.toString())
  return Object.values(tensors).reduce((sum, { shape }) => sum + volume(shape), 0)
}

/** Loads twice, one beside the other; each makes a picture, so that no weight is left untouched. */
async function measure(start) {
  const picture = {
    prompt: 'a red circle on a blue background',
    seed: 7,
    width: Number(values.size),
    height: Number(values.size),
    priorNumInferenceSteps: Number(values.steps),
    numInferenceSteps: Number(values.steps),
  }
  const first = await start().ready()
  const loaded = first.memory()
  await first.generate(picture)
  const alone = first.memory()
  const second = await start().ready()
  await second.generate(picture)
  const [one, two] = [first.memory(), second.memory()]
  await first.close()
  await second.close()
  return {
    start: first.startSeconds,
    load: first.loadSeconds,
    rss: loaded.rss,
    worked: alone.rss,
    added: one.pss + two.pss - alone.pss,
  }
}

async function main() {
  const report = new Report('load', values)
  console.log(`${machine()}; ${RUNS} interleaved runs; MB are 10^6 bytes`)
  report.line(
    '| model | dtype | weights, MB | | load, s | process start to loaded, s | RSS loaded, MB | RSS after a picture, MB | a second process adds (PSS), MB |',
  )
  report.line('|---|---|---|---|---|---|---|---|---|')
  for (const folder of folders) {
    for (const dtype of values.dtype) {
      const threads = os.availableParallelism()
      const starts = {
        wuerstchen: () => new Package(folder, { dtype, device: 'cpu' }),
        "wuerstchen, kernels: 'shared'": () =>
          new Package(folder, { dtype, device: 'cpu', kernels: 'shared' }),
        diffusers: () => new Reference(folder, `${folder}-prior`, { dtype, threads }),
      }
      const found = Object.fromEntries(Object.keys(starts).map((name) => [name, []]))
      // Fills the page cache for all of them, and writes what is shared.
      for (const start of Object.values(starts)) await (await start().ready()).close()
      for (let run = 0; run < RUNS; run++) {
        for (const [name, start] of Object.entries(starts)) found[name].push(await measure(start))
      }
      for (const [name, rows] of Object.entries(found)) {
        const seconds = (key) =>
          range(
            rows.map((row) => row[key]),
            (value) => value.toFixed(2),
          )
        const bytes = (key) =>
          range(
            rows.map((row) => row[key]),
            MB,
          )
        const weights = weightBytes(folder, dtype)
        report.line(
          `| ${path.basename(folder)} | ${dtype} | ${MB(weights)} | ${name} | ${seconds('load')} | ${seconds('start')} | ${bytes('rss')} | ${bytes('worked')} | ${bytes('added')} |`,
        )
      }
    }
  }
  report.end()
}

main()
