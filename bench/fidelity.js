'use strict'
// npm run bench:fidelity — what each dtype costs in exactness, and how far `parity: 'diffusers'` is from diffusers.
// Prints the tables and puts them into docs/fidelity.md.

const path = require('node:path')
const { WuerstchenPipeline, DEFAULT_STAGE_C_TIMESTEPS } = require('../dist')
const { headOf, writeTable } = require('./support/manual')
const { ROOT, Reference, difference, ensureFixtures } = require('./support/reference')
const { median } = require('./support/statistics')

const DTYPES = ['float32', 'bfloat16', 'float16', 'int8']
const OURS_ALONE = '-' // diffusers has no int8

const size = { width: 256, height: 256 }
const shapes = {
  ...size,
  priorTimesteps: DEFAULT_STAGE_C_TIMESTEPS,
  priorGuidanceScale: 2.5,
  numInferenceSteps: 12,
  decoderGuidanceScale: 0,
}
const random = {
  ...size,
  priorNumInferenceSteps: 12,
  priorGuidanceScale: 4,
  numInferenceSteps: 6,
  decoderGuidanceScale: 0,
}

/** Trained pictures forgive rounding as pictures do; random weights show it as noise. */
const MODELS = {
  shapes: [
    { ...shapes, prompt: 'a large red circle on a blue background', seed: 1 },
    { ...shapes, prompt: 'a small yellow star on the left on a black background', seed: 2 },
    { ...shapes, prompt: 'a green house above a pink heart on a white background', seed: 3 },
    { ...shapes, prompt: 'a purple fish on a grey background', seed: 4 },
  ],
  small: [
    { ...random, prompt: 'a red circle on a blue background', seed: 7 },
    { ...random, prompt: 'a small yellow cat', seed: 8 },
  ],
}

async function ours(folder, options, requests) {
  const graphs = [path.join(ensureFixtures(), 'graphs', 'small')]
  const pipeline = await WuerstchenPipeline.fromPretrained(folder, { ...options, graphs, device: 'cpu' })
  const pictures = []
  for (const { prompt, ...request } of requests) {
    pictures.push(...(await pipeline.generate(prompt, request)).images)
  }
  await pipeline.dispose()
  return pictures
}

async function diffusers(folder, dtype, requests) {
  const reference = await new Reference(folder, `${folder}-prior`, { dtype }).ready()
  const pictures = []
  for (const request of requests) pictures.push(...(await reference.generate(request)).images)
  await reference.close()
  return pictures
}

/** "0.31 / 12": the mean level difference of the median picture, and the largest of any pixel of any. */
function apart(pictures, others) {
  const rows = pictures.map((picture, index) => difference(picture, others[index]))
  return `${median(rows.map(({ mean }) => mean)).toFixed(3)} / ${Math.max(...rows.map(({ largest }) => largest))}`
}

async function main() {
  const folders = { shapes: path.join(ROOT, 'models', 'shapes'), small: path.join(ensureFixtures(), 'small') }
  const lines = [
    "| model | dtype | from our float32 | `parity: 'diffusers'` from diffusers | diffusers from its own float32 |",
    '|---|---|---|---|---|',
  ]
  for (const [model, requests] of Object.entries(MODELS)) {
    const exact = await ours(folders[model], { dtype: 'float32' }, requests)
    const theirExact = await diffusers(folders[model], 'float32', requests)
    for (const dtype of DTYPES) {
      const plain = dtype === 'float32' ? exact : await ours(folders[model], { dtype }, requests)
      const columns = [apart(plain, exact), OURS_ALONE, OURS_ALONE]
      if (dtype !== 'int8') {
        const copied = await ours(folders[model], { dtype, parity: 'diffusers' }, requests)
        const theirs = dtype === 'float32' ? theirExact : await diffusers(folders[model], dtype, requests)
        columns.splice(1, 2, apart(copied, theirs), apart(theirs, theirExact))
      }
      lines.push(`| ${model} | ${dtype} | ${columns.join(' | ')} |`)
      console.error(lines.at(-1))
    }
  }
  const table = `${headOf()}\n\n${lines.join('\n')}`
  console.log(table)
  writeTable('fidelity', table, 'fidelity.md')
}

main()
