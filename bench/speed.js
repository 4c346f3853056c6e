'use strict'
// npm run bench — a step of every stage here and in every peer, in one interleaved run on the same weights and threads.
// v2 at its full widths with few blocks and seeded random weights. Prints tables for docs/benchmarks.md.
//   --stage prior,decoder,…   --peers eager,sdpa,…   --rounds 3   --threads 2   --dtype float32   --json FILE

const fs = require('node:fs')
const path = require('node:path')
const { contest } = require('./support/contest')
const { readOptions } = require('./support/options')
const { Ours } = require('./support/ours')
const { Peer, askOnce, ensureCheckpoint, ensureEnvironment } = require('./support/peers')
const { machine, median } = require('./support/statistics')
const { bestPeer, gemmTable, stageTable, times } = require('./support/tables')

/** `tolerance`: of the largest value. Stage A's pixels are rounded to 8 bits here and not in the peers. */
const STAGES = {
  prior: {
    title: 'Stage C, depth 4, a guided row of 1024x1024 (batch 2, 24x24)',
    peers: ['eager', 'sdpa', 'compile', 'autotune', 'torchscript'],
    tolerance: 1e-4,
  },
  decoder: {
    title: 'Stage B, blocks [1, 1, 2, 1], 1024x1024 (256x256 latents)',
    peers: ['eager', 'compile', 'autotune', 'torchscript'], // eager has SDPA from the start
    tolerance: 1e-4,
  },
  vqgan: {
    title: 'Stage A, decode, 512x512 (128x128 latents)',
    peers: ['eager', 'compile', 'autotune', 'torchscript'], // it has no attention
    tolerance: 3e-3,
  },
}
const YARDSTICK = 0 // which of the shapes of bench/peers/gemm.py is "the" rate: 1152x1536x6144

const log = (text) => console.error(`${new Date().toTimeString().slice(0, 8)} ${text}`)

/** All rates of one shape as one: the median of the rounds. */
function summarise(rounds) {
  return rounds[0].map(({ shape }, index) => ({
    shape,
    packed: median(rounds.map((rates) => rates[index].packed)),
    plain: median(rounds.map((rates) => rates[index].plain)),
  }))
}

async function runStage(name, flops, options) {
  const { title, peers, tolerance } = STAGES[name]
  log(title)
  const starts = {}
  for (const peer of peers.filter((one) => options.peers.includes(one))) {
    starts[peer] = () => new Peer(peer, name, options)
  }
  starts.wuerstchen = () => new Ours(name, options)
  const yardstick = await new Peer('gemm', 'gemm', options).ready()
  await yardstick.ask({}) // warm
  yardstick.pause()
  const rates = []
  const between = async () => {
    yardstick.resume()
    rates.push((await yardstick.ask({})).rates)
    yardstick.pause()
  }
  await between()
  const contenders = await contest(starts, { rounds: options.rounds, tolerance, log, between })
  await yardstick.close()
  const gemm = summarise(rates)
  return { stage: name, title, flops, contenders, gemm, packed: gemm[YARDSTICK].packed }
}

/** How far ahead, in the words of the bars. */
function verdict({ contenders }) {
  const medianOf = (name) => contenders.find((one) => one.name === name)?.median ?? null
  const [ours, best] = [medianOf('wuerstchen'), bestPeer(contenders)]
  if (ours === null || best === null) return 'no verdict: somebody failed'
  const eager = medianOf('sdpa') === null ? 'eager' : 'sdpa'
  return `${times(medianOf(eager), ours)} eager${eager === 'sdpa' ? ' with SDPA' : ''}, ${times(best.median, ours)} the best peer (${best.name})`
}

function report(result) {
  const { flops, gemm, packed } = result
  const attention = (flops.attention / 1e9).toFixed(0)
  console.log(`\n${stageTable(result, result)}\n`)
  console.log(
    `${verdict(result)}. ${(flops.total / 1e9).toFixed(0)} GFLOP as published, ${attention} of them attention's own products; ` +
      `${packed.toFixed(0)} GFLOP/s packed at ${gemm[YARDSTICK].shape.join('x')} in the same rounds.`,
  )
}

async function main() {
  const options = readOptions(process.argv.slice(2))
  ensureEnvironment()
  ensureCheckpoint()
  const flops = askOnce('flops')
  console.log(
    `${machine()}, ${options.threads} threads, ${options.dtype}; ${options.rounds} interleaved rounds`,
  )
  const results = []
  for (const name of options.stages.filter((stage) => stage in STAGES)) {
    const result = await runStage(name, flops[name], options)
    results.push(result)
    report(result)
  }
  if (results.length > 0) console.log(`\n${gemmTable(results[0].gemm)}`)
  if (options.json) {
    fs.mkdirSync(path.dirname(path.resolve(options.json)), { recursive: true })
    fs.writeFileSync(options.json, `${JSON.stringify({ machine: machine(), options, results }, null, 1)}\n`)
  }
  if (results.some(({ contenders }) => contenders.some(({ failure }) => failure !== null)))
    process.exitCode = 1
}

main()
