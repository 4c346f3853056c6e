'use strict'
// npm run bench:scaling — a step of each stage with 1, 2, 4, … threads up to the cores that this process may use, here and in
// torch.compile beside it, in turns on the same weights. Says how much of so many times as fast each of them reaches.
//   --stage prior,decoder,vqgan   --dtype float32   --threads 1,2   --rounds 3   --peer none
// What machines with more cores are predicted to do: SHOW_PLANS=FILE npx jest test/native/scaling

const { parseArgs } = require('node:util')
const { usableCores } = require('../dist/native/cores')
const { contest } = require('./support/contest')
const { Ours } = require('./support/ours')
const { Peer, ensureCheckpoint, ensureEnvironment } = require('./support/peers')
const { machine, spread } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    stage: { type: 'string', default: 'prior,decoder,vqgan' },
    dtype: { type: 'string', default: 'float32' },
    threads: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    peer: { type: 'string', default: 'compile' }, // or 'none', which int8 needs: no peer computes in it
  },
})
const TOLERANCE = 5e-2 // whether both compute the same was looked at by `npm run bench`

/** 1, 2, 4, … and all of them. */
function doublings(most) {
  const found = []
  for (let count = 1; count < most; count *= 2) found.push(count)
  return [...found, most]
}

async function main() {
  ensureEnvironment()
  ensureCheckpoint(null)
  const threads = values.threads?.split(',').map(Number) ?? doublings(usableCores())
  const log = (text) => console.error(`${new Date().toTimeString().slice(0, 8)} ${text}`)
  console.log(`${machine()}; ${values.dtype}, medians of ${values.rounds} rounds in turns`)
  for (const stage of values.stage.split(',')) {
    console.log(
      `\n| ${stage}, threads | wuerstchen, ms | times as fast | of the threads | ${values.peer}, ms | times as fast | of the threads |\n|---|---|---|---|---|---|---|`,
    )
    const alone = {}
    for (const count of threads) {
      const options = { threads: count, dtype: values.dtype }
      const starts = { wuerstchen: () => new Ours(stage, options) }
      if (values.peer !== 'none') starts[values.peer] = () => new Peer(values.peer, stage, options)
      const contenders = await contest(starts, {
        rounds: Number(values.rounds),
        tolerance: () => TOLERANCE,
        log,
        between: async () => {},
      })
      const cells = ['wuerstchen', values.peer].flatMap((name) => {
        const found = contenders.find((one) => one.name === name)
        if (!found?.median) return ['-', '-', '-']
        alone[name] ??= found.median * count
        const faster = alone[name] / found.median
        return [spread(found.times), `${faster.toFixed(2)}x`, `${((100 * faster) / count).toFixed(0)}%`]
      })
      console.log(`| ${count} | ${cells.join(' | ')} |`)
    }
  }
}

main()
