'use strict'
// npm run bench:full-size — v2 at its full size (3.1 billion seeded random weights in the hub's layout, 6.2 GB in bfloat16):
// loads it here and in diffusers, compares one step of each stage at 1024x1024 and whole pictures at 512x512, and prints
// load times and peak memory. Needs 24 GiB of memory and, with float32, 20 GB of disk. Linux: it reads /proc.
//   --turns 3 --between bfloat16,diffusers   instead: whole pictures by each in turns, after a first one, and nothing else

const fs = require('node:fs')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { ensureFullSize } = require('./support/checkpoint')
const { Report } = require('./support/manual')
const { decodeTensors } = require('./support/tensors')
const { Package } = require('./support/package')
const { Reference, difference } = require('./support/reference')
const { machine, median } = require('./support/statistics')

const { values } = parseArgs({
  options: {
    dtype: { type: 'string', multiple: true, default: ['bfloat16', 'float32'] },
    between: { type: 'string' }, // dtypes of ours, and diffusers (in bfloat16); the first is what others are compared with
    turns: { type: 'string', default: '3' },
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})
const PROMPT = 'a small yellow star left of a blue house'
const MIDDLE = [0.6, 0] // one step from where signal and noise are of one size
const HALF = { prompt: PROMPT, seed: 7, width: 1024, height: 1024, priorGuidanceScale: 4 }
const WHOLE = {
  prompt: PROMPT,
  seed: 8,
  width: 512,
  height: 512,
  priorNumInferenceSteps: 4,
  priorGuidanceScale: 4,
  numInferenceSteps: 3,
}

/** All that is compared, from one process. `embeddings`: of the other, so that Stage B starts from the same. */
async function run(worker, embeddings) {
  await worker.ready()
  const loaded = worker.memory()
  const file = path.join(worker.folder, 'embeddings.safetensors')
  const prior = await worker.ask({ ...HALF, kind: 'prior', priorTimesteps: MIDDLE, out: file })
  const imagined = fs.readFileSync(file)
  if (embeddings) fs.writeFileSync(file, embeddings)
  const { prompt, seed, width, height } = HALF
  const decode = { prompt, seed, width, height, kind: 'decode', decoderTimesteps: MIDDLE, embeddings: file }
  const painted = await worker.generate(decode)
  const whole = await worker.generate(WHOLE)
  const { peak } = worker.memory()
  const found = {
    imagined,
    painted: painted.images[0],
    whole: whole.images[0],
    seconds: {
      load: worker.loadSeconds,
      prior: prior.seconds,
      decode: painted.seconds,
      whole: whole.seconds,
    },
    memory: { loaded: loaded.rss, peak },
  }
  await worker.close()
  return found
}

/** Largest difference of two image embeddings, relative to their largest value; and the mean of it. */
function apart(one, other) {
  const [a, b] = [one, other].map((file) => decodeTensors(file).image_embeddings)
  let largest = 0
  let sum = 0
  let scale = 0
  for (let index = 0; index < a.length; index++) {
    const error = Math.abs(a[index] - b[index])
    largest = Math.max(largest, error)
    sum += error
    scale = Math.max(scale, Math.abs(b[index]))
  }
  return `${(largest / scale).toExponential(1)}, mean ${(sum / a.length / scale).toExponential(1)}`
}

const levels = ({ largest, mean }) => `${largest}, mean ${mean.toFixed(4)}`
const GB = (bytes) => (bytes / 1e9).toFixed(2)

const contender = (folder, name) =>
  name === 'diffusers'
    ? new Reference(folder, `${folder}-prior`, { dtype: 'bfloat16' })
    : new Package(folder, { dtype: name, device: 'cpu' })

/** Whole pictures, in turns: a first one, which reads the weights from the disk, is left out. */
async function race(folder, names, turns) {
  const workers = names.map((name) => contender(folder, name))
  const seconds = names.map(() => [])
  for (const worker of workers) await worker.ready()
  for (let turn = 0; turn <= turns; turn++) {
    for (const [index, worker] of workers.entries()) {
      const made = await worker.generate({ ...WHOLE, prompt: `${PROMPT}, ${turn}` }) // a text that nobody knows yet
      if (turn > 0) seconds[index].push(made.seconds)
    }
  }
  for (const worker of workers) await worker.close()
  const report = new Report('whole pictures', values)
  report.line('| 512x512, 4 + 3 steps | median (range), s | of the first |\n|---|---|---|')
  const [first] = seconds.map(median)
  for (const [index, name] of names.entries()) {
    const [own, middle] = [seconds[index], median(seconds[index])]
    const range = `${Math.min(...own).toFixed(2)}–${Math.max(...own).toFixed(2)}`
    report.line(`| ${name} | ${middle.toFixed(2)} (${range}) | ${(middle / first).toFixed(2)}x |`)
  }
  report.end()
}

async function main() {
  const folder = ensureFullSize()
  console.log(machine())
  if (values.between !== undefined) return race(folder, values.between.split(','), Number(values.turns))
  const equality = new Report('full-size equality', values)
  const costs = new Report('full-size costs', values)
  const [lines, rows] = [[], []]
  for (const dtype of values.dtype) {
    const theirs = await run(new Reference(folder, `${folder}-prior`, { dtype }))
    const ours = await run(
      new Package(folder, { dtype, device: 'cpu', parity: 'diffusers' }),
      theirs.imagined,
    )
    lines.push(
      `| ${dtype} | ${apart(ours.imagined, theirs.imagined)} | ${levels(difference(ours.painted, theirs.painted))} | ${levels(difference(ours.whole, theirs.whole))} |`,
    )
    for (const [name, found] of Object.entries({ wuerstchen: ours, diffusers: theirs })) {
      const { load, prior, decode, whole } = found.seconds
      const { loaded, peak } = found.memory
      const seconds = [prior, decode, whole].map((one) => one.toFixed(1)).join(' | ')
      rows.push(`| ${dtype}, ${name} | ${load.toFixed(1)} | ${GB(loaded)} | ${GB(peak)} | ${seconds} |`)
      console.error(rows.at(-1))
    }
  }
  equality.line(
    '| dtype | Stage C, one step: of the largest value | Stage B, one step, and A: levels of 255 | 512x512, 4 + 3 steps: levels |',
  )
  for (const line of ['|---|---|---|---|', ...lines]) equality.line(line)
  console.log()
  costs.line(
    '| | load, s | RSS loaded, GB | peak RSS, GB | Stage C step, 1024, s | Stage B step and A, 1024, s | 512x512, 4 + 3 steps, s |',
  )
  for (const line of ['|---|---|---|---|---|---|---|', ...rows]) costs.line(line)
  equality.end()
  costs.end()
}

main()
