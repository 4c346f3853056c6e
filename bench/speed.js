'use strict'
// npm run bench — a step of every stage here and in every peer, in one interleaved run on the same weights and threads.
// v2 at its full widths with few blocks and seeded random weights. Prints tables.
//   --stage prior,decoder,…   --peers eager,sdpa,…   --rounds 3   --threads 2   --dtype float32   --json FILE
//   --docs   writes the tables into the section of this kind of machine in docs/benchmarks.md
// Among the peers may be ours in other ways: compiled (minutes, the first time), int8.

const fs = require('node:fs')
const path = require('node:path')
const { overheads, warmPicture } = require('./support/bundled')
const { readProcessor, sectionOf } = require('./support/baseline')
const { contest } = require('./support/contest')
const { undisturbed } = require('./support/load')
const { headOf, writeTable } = require('./support/manual')
const { VARIANTS, readOptions } = require('./support/options')
const { Ours } = require('./support/ours')
const { Peer, askOnce, ensureCheckpoint, ensureEnvironment } = require('./support/peers')
const { machine, median } = require('./support/statistics')
const { bestPeer, gemmTable, overheadsTable, pictureTable, stageTable, times } = require('./support/tables')

const EXPORTED = ['onnxruntime', 'openvino', 'openvino-f32']

/** `tolerance`: of the largest value, in float32. Stage A's pixels are rounded to 8 bits here and not in the peers. */
const STAGES = {
  prior: {
    title: 'Stage C, depth 4, a guided row of 1024x1024 (batch 2, 24x24)',
    peers: ['eager', 'sdpa', 'compile', 'autotune', ...EXPORTED, 'torchscript'],
    tolerance: 1e-4,
  },
  decoder: {
    title: 'Stage B, blocks [1, 1, 2, 1], 1024x1024 (256x256 latents)',
    peers: ['eager', 'compile', 'autotune', ...EXPORTED, 'torchscript'], // eager has SDPA from the start
    tolerance: 1e-4,
  },
  vqgan: {
    title: 'Stage A, decode, 512x512 (128x128 latents)',
    peers: ['eager', 'compile', 'autotune', ...EXPORTED, 'torchscript'], // it has no attention
    tolerance: 3e-3,
  },
}
/** What peers cannot do, so they are not asked. */
const UNABLE = {
  bfloat16: { onnxruntime: 'ONNX Runtime has no bfloat16 on a CPU' },
  // It is asked for beside its own bfloat16 alone, which does not agree with PyTorch's.
  float32: { 'openvino-f32': null },
}
const NARROW_TOLERANCE = 5e-2 // eight bits, and every contender rounds in other places
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
  const wanted = peers.filter((one) => options.peers.includes(one))
  const unable = UNABLE[options.dtype] ?? {}
  for (const peer of wanted.filter((one) => !(one in unable))) {
    starts[peer] = () => new Peer(peer, name, options)
  }
  for (const variant of VARIANTS.filter((one) => options.peers.includes(one))) {
    starts[variant] = () => new Ours(name, options, variant)
  }
  starts.wuerstchen = () => new Ours(name, options)
  const yardstick = await new Peer('gemm', 'gemm', options).ready()
  await yardstick.ask({}) // warm
  yardstick.pause()
  const rates = []
  const between = async () => {
    yardstick.resume()
    const measured = await undisturbed(yardstick.process.pid, () => yardstick.ask({}))
    rates.push(measured.result.rates)
    yardstick.pause()
  }
  await between()
  const narrow = (peer) => options.dtype === 'bfloat16' || peer === 'int8'
  const allowed = (peer) => (narrow(peer) ? NARROW_TOLERANCE : tolerance)
  const contenders = await contest(starts, { rounds: options.rounds, tolerance: allowed, log, between })
  await yardstick.close()
  const gemm = summarise(rates)
  const left = wanted.map((one) => unable[one]).filter((reason) => reason)
  return { stage: name, title, flops, contenders, gemm, packed: gemm[YARDSTICK].packed, left }
}

/** How far ahead, in the words of the bars. */
function verdict({ contenders }) {
  const medianOf = (name) => contenders.find((one) => one.name === name)?.median ?? null
  const [ours, best] = [medianOf('wuerstchen'), bestPeer(contenders)]
  if (ours === null || best === null) return 'no verdict: somebody failed'
  const eager = medianOf('sdpa') === null ? 'eager' : 'sdpa'
  return `${times(medianOf(eager), ours)} eager${eager === 'sdpa' ? ' with SDPA' : ''}, ${times(best.median, ours)} the best peer (${best.name})`
}

/** A stage's table, and what it comes to. */
function stageText(result) {
  const { flops, gemm, packed, left } = result
  const attention = (flops.attention / 1e9).toFixed(0)
  return (
    `${stageTable(result, result)}\n\n` +
    `${verdict(result)}. ${(flops.total / 1e9).toFixed(0)} GFLOP as published, ${attention} of them attention's own products; ` +
    `${packed.toFixed(0)} GFLOP/s packed at ${gemm[YARDSTICK].shape.join('x')} in the same rounds.${left.map((reason) => ` ${reason}.`).join('')}`
  )
}

const processor = () => readProcessor(fs.readFileSync('/proc/cpuinfo', 'utf8'))

/** Prints a table and, with `--docs`, writes it into the section of this kind of machine. */
function publish(name, text, { docs, dtype }) {
  console.log(`\n${text}`)
  if (docs) writeTable(`${sectionOf(processor(), dtype)} ${name}`, `${headOf()}\n\n${text}`)
}

/** Everything but the stages of a network: how it is measured, and shown. */
const OTHERS = {
  shapes: { run: (options) => warmPicture(options, log), show: pictureTable },
  overheads: { run: overheads, show: overheadsTable },
}

async function measure(options) {
  const flops = options.stages.some((name) => name in STAGES) ? askOnce('flops') : {}
  const results = []
  for (const name of options.stages) {
    const { run, show } = OTHERS[name] ?? {
      run: () => runStage(name, flops[name], options),
      show: stageText,
    }
    const result = await run(options)
    results.push(result)
    publish(name, show(result), options)
  }
  return results
}

/** The largest share of the machine that others took while something was measured. */
function disturbance(results) {
  const shares = results.flatMap(({ contenders = [] }) => contenders.map(({ others }) => others))
  const known = shares.filter((share) => Number.isFinite(share))
  return known.length === 0 ? 'not known' : `${(100 * Math.max(...known)).toFixed(0)}%`
}

/** Why this machine cannot measure a dtype, or null: a CPU without its instructions says nothing about those with. */
function unable(dtype) {
  if (dtype === 'float32') return null
  const { flags } = processor()
  if (['avx512_bf16', 'amx_bf16', 'bf16'].some((flag) => flags.includes(flag))) return null
  return `${dtype}: cannot be measured here. This CPU does not multiply it natively (neither avx512_bf16 nor amx_bf16).`
}

async function main() {
  const options = readOptions(process.argv.slice(2))
  const reason = unable(options.dtype)
  if (reason !== null) return console.log(reason)
  ensureEnvironment()
  ensureCheckpoint(options.peers.includes('compiled') ? options.dtype : null)
  console.log(
    `${machine()}, ${options.threads} threads, ${options.dtype}; ${options.rounds} interleaved rounds`,
  )
  const results = await measure(options)
  const { gemm } = results.find((result) => result.gemm) ?? {}
  if (gemm) publish('products', gemmTable(gemm), options)
  console.log(
    `\nOf the machine, other processes took at most ${disturbance(results)} while something was measured.`,
  )
  if (options.json) {
    fs.mkdirSync(path.dirname(path.resolve(options.json)), { recursive: true })
    fs.writeFileSync(options.json, `${JSON.stringify({ machine: machine(), options, results }, null, 1)}\n`)
  }
  if (results.some(({ contenders = [] }) => contenders.some(({ failure }) => failure !== null)))
    process.exitCode = 1
}

main()
