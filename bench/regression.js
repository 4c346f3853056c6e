'use strict'
// npm run bench:regression — whether a step has become dearer since bench/baseline.json was written. It compares what
// another machine's speed does not change: instructions of the bundled model's steps, counted by callgrind, and times of
// the large steps over the time that this machine takes for a packed product of matrices, measured in the same run: in float32
// (`ratios`), bfloat16 and int8.
//   --only instructions,ratios,bfloat16,int8   --rounds 3   --threads 2   --update: writes the baseline instead

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { collectedOf, compare, kindOf, readProcessor } = require('./support/baseline')
const { undisturbed } = require('./support/load')
const { Ours } = require('./support/ours')
const { Peer, ensureCheckpoint, ensureEnvironment } = require('./support/peers')
const { ROOT } = require('./support/reference')
const { median } = require('./support/statistics')

const BASELINE = path.join(ROOT, 'bench', 'baseline.json')
// Instructions hardly vary. Times do, even over others of the same run, on a machine that is shared.
const TOLERANCES = { instructions: 0.03, ratios: 0.15, bfloat16: 0.15, int8: 0.15 }
const BFLOAT16 = ['avx512_bf16', 'amx_bf16', 'bf16']
const STAGES = ['prior', 'decoder', 'vqgan']
/** The function whose instructions are counted; its name is in the addon as long as nobody strips it. */
const COUNTED = {
  prior: 'wuerstchen::runtime::Advance(*',
  decoder: 'wuerstchen::runtime::Advance(*',
  vqgan: 'wuerstchen::runtime::Decode(*',
}

/** Instructions of two steps of one stage. */
function countStage(stage) {
  const program = path.join(__dirname, 'support', 'count-child.js')
  const callgrind = [
    '--tool=callgrind',
    '--callgrind-out-file=/dev/null',
    `--toggle-collect=${COUNTED[stage]}`,
  ]
  const run = spawnSync('valgrind', [...callgrind, process.execPath, program, stage], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (run.status !== 0) throw new Error(`callgrind failed:\n${run.stderr.slice(-4000)}`)
  return collectedOf(run.stderr)
}

/** The same of every stage, or null with the reason on stderr. */
function countInstructions() {
  const { error } = spawnSync('valgrind', ['--version'])
  if (error) {
    console.error(
      'SKIPPED: instructions are not counted, since there is no valgrind here. Install it to count them.',
    )
    return null
  }
  return Object.fromEntries(STAGES.map((stage) => [stage, countStage(stage)]))
}

/**
 * A step of each stage as a multiple of one packed product, 1152x1536x6144, both undisturbed and in turns. The product of
 * int8 is in float32: torch packs none in 8 bits.
 */
async function measureRatios(dtype, { rounds, threads }) {
  const options = { threads, dtype }
  ensureEnvironment()
  ensureCheckpoint()
  const product = dtype === 'int8' ? 'float32' : dtype
  const yardstick = await new Peer('gemm', 'gemm', { threads, dtype: product }).ready()
  const found = {}
  for (const stage of STAGES) {
    const ours = await new Ours(stage, options).ready()
    await ours.ask({}) // warm
    const ratios = []
    for (let round = 0; round < rounds; round++) {
      const step = await undisturbed(ours.process.pid, () => ours.ask({}))
      const { result } = await undisturbed(yardstick.process.pid, () => yardstick.ask({}))
      const [rows, inputs, outputs] = result.rates[0].shape
      const milliseconds = (2 * rows * inputs * outputs) / 1e6 / result.rates[0].packed
      ratios.push(step.result.milliseconds / milliseconds)
    }
    await ours.close()
    found[stage] = Number(median(ratios).toFixed(2))
  }
  await yardstick.close()
  return found
}

/** Elsewhere it is computed in float32, which says nothing of the kernels. */
function measureBfloat16(given) {
  if (BFLOAT16.some((flag) => processor().flags.includes(flag))) return measureRatios('bfloat16', given)
  console.error('SKIPPED: bfloat16: this CPU does not multiply it.')
  return null
}

const processor = () =>
  readProcessor(fs.existsSync('/proc/cpuinfo') ? fs.readFileSync('/proc/cpuinfo', 'utf8') : '')
const readBaseline = () => (fs.existsSync(BASELINE) ? JSON.parse(fs.readFileSync(BASELINE, 'utf8')) : {})

/** True when nothing is worse. */
function check(what, found, baseline, kind) {
  const known = baseline[kind]?.[what]
  if (known === undefined) {
    console.error(`SKIPPED: ${what}: bench/baseline.json knows no ${kind}. Add it with --update.`)
    return true
  }
  const lines = compare(found, known, TOLERANCES[what])
  for (const { text } of lines) console.log(`${what}, ${text}`)
  return lines.every(({ worse }) => !worse)
}

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: Object.keys(TOLERANCES).join() },
      rounds: { type: 'string', default: '3' },
      threads: { type: 'string', default: String(os.availableParallelism()) },
      update: { type: 'boolean', default: false },
    },
  })
  const unknown = values.only.split(',').find((one) => !(one in TOLERANCES))
  if (unknown !== undefined)
    throw new Error(
      `Expected --only to name some of ${Object.keys(TOLERANCES).join(', ')} but received '${unknown}'`,
    )
  const kind = `${kindOf(processor())}, ${values.threads} threads`
  const given = { rounds: Number(values.rounds), threads: Number(values.threads) }
  const baseline = readBaseline()
  const measures = {
    instructions: countInstructions,
    ratios: () => measureRatios('float32', given),
    bfloat16: () => measureBfloat16(given),
    int8: () => measureRatios('int8', given),
  }
  for (const what of values.only.split(',')) {
    const found = await measures[what]()
    if (found === null) continue
    if (values.update) baseline[kind] = { ...baseline[kind], [what]: found }
    else if (!check(what, found, baseline, kind)) process.exitCode = 1
  }
  if (values.update) fs.writeFileSync(BASELINE, `${JSON.stringify(baseline, null, 2)}\n`)
}

main()
