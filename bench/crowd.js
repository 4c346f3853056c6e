'use strict'
// npm run bench:crowd — many requests at once on the bundled model, equal and mixed, and one of priority 10 after 300 ms:
// when the first, the median and the last picture is there, and how long the urgent one takes.

const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { WuerstchenPipeline } = require('../dist')
const { mix, percentile, request } = require('./support/crowd')
const { Report } = require('./support/manual')
const { machine } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '16,150,1000' },
    kinds: { type: 'string', default: 'equal,mixed' },
    dtype: { type: 'string', default: 'float32' },
    offload: { type: 'string', default: 'none' },
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})

const URGENT_AFTER = 300 // ms
const KINDS = {
  equal: (count) => Array.from({ length: count }, (_, seed) => request({ seed })),
  mixed: (count) => mix(count, 4),
}

async function crowd(pipeline, requests) {
  const before = pipeline.statistics.stages
  const started = performance.now()
  const ask = async ({ prompt, options }) => {
    await pipeline.generate(prompt, options)
    return performance.now() - started
  }
  const others = requests.map(ask)
  await sleep(URGENT_AFTER)
  const asked = performance.now() - started
  const urgent = (await ask(request({ seed: 99999, priority: 10 }))) - asked
  const ends = (await Promise.all(others)).sort((a, b) => a - b)
  const occupancy = (stage) => {
    const now = pipeline.statistics.stages[stage]
    return (now.steps - before[stage].steps) / (now.turns - before[stage].turns)
  }
  return {
    all: ends.at(-1),
    first: ends[0],
    median: percentile(ends, 0.5),
    p99: percentile(ends, 0.99),
    urgent,
    prior: occupancy('prior'),
    decoder: occupancy('decoder'),
  }
}

async function main() {
  const { dtype, offload } = values
  const pipeline = await WuerstchenPipeline.fromPretrained(undefined, {
    device: 'cpu',
    dtype,
    offload,
    maxQueue: 100_000,
  })
  // Every shape once, so that nothing is packed while it is measured; then the pace of the shapes is known, too.
  await Promise.all(mix(24, 5).map(({ prompt, options }) => pipeline.generate(prompt, options)))
  const report = new Report('crowd', values)
  console.log(`${machine()}; ${dtype}, offload ${offload}; seconds`)
  report.line(
    '| requests | all done after | first | median | p99 | priority 10 took | pictures a step, Stage C | Stage B |',
  )
  report.line('|---|---|---|---|---|---|---|---|')
  for (const kind of values.kinds.split(',')) {
    for (const count of values.requests.split(',')) {
      const found = await crowd(pipeline, KINDS[kind](Number(count)))
      const seconds = (name) => (found[name] / 1000).toFixed(2)
      const cells = ['all', 'first', 'median', 'p99', 'urgent'].map(seconds)
      report.line(
        `| ${count} ${kind} | ${cells.join(' | ')} | ${found.prior.toFixed(2)} | ${found.decoder.toFixed(2)} |`,
      )
    }
  }
  report.end()
  await pipeline.dispose()
}

main()
