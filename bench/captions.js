'use strict'
// npm run bench:captions — how many pictures of the bundled model show what their captions say, as a table.
//   --count 300          captions of one object, and as many of two
//   --steps 29+12,8+4    steps of the prior and the decoder; the model's own by default
//   --details            by attribute, too
//   --docs               into docs/bundled-model.md
// Captions are held out of training; a program that knows the palette and the shapes is the judge.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { WuerstchenPipeline } = require('../dist')
const { Report } = require('./support/manual')
const { PYTHON, ROOT } = require('./support/reference')
const { machine } = require('./support/statistics')

const BATCH = 20

function readOptions() {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '300' },
      steps: { type: 'string', default: '' },
      details: { type: 'boolean', default: false },
      docs: { type: 'boolean', default: false },
    },
  })
  const count = Number(values.count)
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`Expected --count to be an integer of at least 1 but received ${values.count}`)
  return {
    count,
    details: values.details,
    docs: values.docs,
    schedules: values.steps === '' ? [{}] : values.steps.split(',').map(schedule),
  }
}

/** `29+12` -> options of `generate()`. */
function schedule(text) {
  const steps = /^(\d+)\+(\d+)$/.exec(text)
  if (steps === null) throw new Error(`Expected --steps to be a list such as 29+12,8+4 but received ${text}`)
  return { priorNumInferenceSteps: Number(steps[1]), numInferenceSteps: Number(steps[2]) }
}

function python(...args) {
  return execFileSync(PYTHON, ['-m', 'scripts.bundled.benchmark', ...args.map(String)], {
    cwd: ROOT,
    encoding: 'utf8',
  })
}

/** Draws the captions of one kind and has them judged. */
async function judged(pipeline, kind, count, steps) {
  const captions = JSON.parse(python('list', kind, count))
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-captions-'))
  try {
    const started = Date.now()
    for (let start = 0; start < captions.length; start += BATCH) {
      const batch = captions.slice(start, start + BATCH)
      const seed = batch.map((_, index) => start + index)
      const { images } = await pipeline.generate(batch, { ...steps, seed })
      await Promise.all(images.map((image, index) => image.toFile(path.join(folder, `${start + index}.png`))))
    }
    const seconds = (Date.now() - started) / 1000
    const verdict = python('judge', kind, count, folder)
    return { seconds, verdict, right: Number(/all right: (\d+)/.exec(verdict)?.[1]) }
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

async function main() {
  const { count, schedules, details, docs } = readOptions()
  const report = new Report('captions', { docs, page: 'bundled-model.md' })
  const pipeline = await WuerstchenPipeline.fromPretrained()
  console.log(`${machine()}; ${count} captions of each kind, seed = number of the caption\n`)
  report.line('| steps | one object, all right | two objects, all right | seconds for one / two |')
  report.line('|---|---|---|---|')
  const verdicts = []
  for (const steps of schedules) {
    const one = await judged(pipeline, 'one', count, steps)
    const two = await judged(pipeline, 'two', count, steps)
    const { priorNumInferenceSteps: prior, numInferenceSteps: decoder } = steps
    const name = prior === undefined ? "the model's own" : `${prior} + ${decoder}`
    const seconds = `${one.seconds.toFixed(0)} / ${two.seconds.toFixed(0)}`
    report.line(`| ${name} | ${one.right} of ${count} | ${two.right} of ${count} | ${seconds} |`)
    verdicts.push(`${name}, one object:\n${one.verdict}\n${name}, two objects:\n${two.verdict}`)
  }
  report.end()
  if (details) console.log(`\n${verdicts.join('\n')}`)
  await pipeline.dispose()
}

main()
