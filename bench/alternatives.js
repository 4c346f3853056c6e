'use strict'
// npm run bench:alternatives — the same requests to us and to diffusers, on a small checkpoint with v2's geometry and random
// weights: who makes pictures of which size, and who ends in which error.

const path = require('node:path')
const { parseArgs } = require('node:util')
const { WuerstchenPipeline } = require('../dist')
const { Report } = require('./support/manual')
const { PYTHON, ROOT, ensureFixtures } = require('./support/reference')
const { Worker } = require('./support/worker')

const { values } = parseArgs({
  options: {
    docs: { type: 'boolean', default: false }, // into docs/alternatives.md
  },
})

const FEW = { priorNumInferenceSteps: 1, numInferenceSteps: 1, seed: 1, negativePrompt: 'blue' }
const sized = (side) => ({ kind: 'generate', prompt: 'a red circle', width: side, height: side })
const SMALL = sized(512)
const MULTIPLES = Array.from({ length: 18 }, (_, index) => 64 * (index + 1)) // 64 to 1152

const CASES = [
  ['a checkpoint of the hub loads from its folder', { kind: 'load' }],
  ['one prompt, 512x512', SMALL],
  ['two pictures of a prompt', { ...SMALL, numImagesPerPrompt: 2 }],
  ['a list of two prompts', { ...SMALL, prompt: ['a red circle', 'a blue ring'], negativePrompt: undefined }],
  ['two pictures of image embeddings', { ...SMALL, kind: 'decode', numImagesPerPrompt: 2 }],
  ['a prompt in numbers, its negative prompt in words', { ...SMALL, kind: 'embeddings' }],
  ['1000x1000', sized(1000)],
]

const sizesOf = (pictures) => pictures.map(({ width, height }) => `${width}x${height}`).join(', ')

/** Our answer: what was made, or which error. */
async function ours(pipeline, options, { kind, prompt, ...request }) {
  const { numImagesPerPrompt, ...one } = { ...FEW, ...request }
  try {
    if (kind === 'load') {
      await (await WuerstchenPipeline.fromPretrained(...options)).dispose()
      return 'yes'
    }
    if (kind === 'decode') {
      const { numInferenceSteps, ...rest } = one
      const [embeddings] = (await pipeline.prior(prompt, rest)).embeddings
      const copies = Array(numImagesPerPrompt).fill(embeddings)
      return sizesOf((await pipeline.decode(copies, { prompt, numInferenceSteps, seed: 1 })).images)
    }
    const asked = kind === 'embeddings' ? await pipeline.encodePrompt(prompt) : prompt
    return sizesOf((await pipeline.generate(asked, { ...one, numImagesPerPrompt })).images)
  } catch (error) {
    return `${error.code ?? error.name}: ${error.message}`
  }
}

/** diffusers' answer, in the same words. */
async function theirs(worker, request) {
  const { shape, error, message } = await worker.ask({ ...FEW, ...request })
  if (error !== undefined) return `${error}: ${message.split('. ')[0]}`
  if (shape.length === 0) return 'yes'
  const [count, height, width] = shape
  return Array(count).fill(`${width}x${height}`).join(', ')
}

async function main() {
  const report = new Report('alternatives', { ...values, page: 'alternatives.md' })
  const fixtures = ensureFixtures()
  const folder = path.join(fixtures, 'small')
  const options = [folder, { graphs: [path.join(fixtures, 'graphs', 'small')], device: 'cpu' }]
  const pipeline = await WuerstchenPipeline.fromPretrained(...options)
  const worker = new Worker(PYTHON, ['-m', 'bench.peers.limits', folder, `${folder}-prior`], { cwd: ROOT })
  report.line('| asked | wuerstchen | diffusers |')
  report.line('|---|---|---|')
  for (const [name, request] of CASES)
    report.line(`| ${name} | ${await ours(pipeline, options, request)} | ${await theirs(worker, request)} |`)
  const made = { ours: [], theirs: [] }
  for (const side of MULTIPLES) {
    const wanted = `${side}x${side}`
    if ((await ours(pipeline, options, sized(side))) === wanted) made.ours.push(side)
    if ((await theirs(worker, sized(side))) === wanted) made.theirs.push(side)
  }
  const told = (sides) => (sides.length === MULTIPLES.length ? 'all' : `${sides.length}: ${sides.join(', ')}`)
  report.line(
    `| squares of a multiple of 64, 64 to 1152: which of ${MULTIPLES.length} | ${told(made.ours)} | ${told(made.theirs)} |`,
  )
  report.end()
  await pipeline.dispose()
  await worker.close()
}

main()
