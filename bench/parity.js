'use strict'
// npm run bench:parity — how far our pictures are from diffusers' on the same weights, seeds and options.

const path = require('node:path')
const { parseArgs } = require('node:util')
const { WuerstchenPipeline, DEFAULT_STAGE_C_TIMESTEPS } = require('../dist')
const { Report } = require('./support/manual')
const { ROOT, Reference, difference, ensureFixtures } = require('./support/reference')
const { parityCases, picturesOf } = require('./support/parity-cases')

const { values } = parseArgs({
  options: {
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})

async function main() {
  const report = new Report('parity', values)
  const fixtures = ensureFixtures()
  const folders = { small: path.join(fixtures, 'small'), shapes: path.join(ROOT, 'models', 'shapes') }
  const cases = parityCases({ defaultTimesteps: DEFAULT_STAGE_C_TIMESTEPS })
  report.line('| case | model | images | largest difference (of 255) | mean |')
  report.line('|---|---|---|---|---|')
  let worst = 0
  for (const model of Object.keys(folders)) {
    const reference = await new Reference(folders[model], `${folders[model]}-prior`).ready()
    const pipeline = await WuerstchenPipeline.fromPretrained(folders[model], {
      graphs: [path.join(fixtures, 'graphs', 'small')],
      dtype: 'float32',
      device: 'cpu',
    })
    for (const one of cases.filter((one) => one.model === model)) {
      const { name, request } = one
      const wanted = await reference.generate(request)
      const images = await picturesOf(pipeline, one)
      const rows = images.map((image, index) => difference(image, wanted.images[index]))
      const largest = Math.max(...rows.map((row) => row.largest))
      const mean = rows.reduce((sum, row) => sum + row.mean, 0) / rows.length
      worst = Math.max(worst, largest)
      report.line(`| ${name} | ${model} | ${rows.length} | ${largest} | ${mean.toFixed(5)} |`)
    }
    await pipeline.dispose()
    await reference.close()
  }
  report.end()
  if (worst > 1) process.exitCode = 1
}

main()
